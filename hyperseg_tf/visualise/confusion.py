"""The picture of a confusion matrix."""

import os
from collections.abc import Sequence

import numpy as np

from hyperseg_tf.base.atomic import atomic_file


def confusion_png(
    path: str | os.PathLike,
    matrix: np.ndarray,
    names: Sequence[str],
    iou: Sequence[float] | None = None,
    title: str = "",
) -> None:
    """Draw a confusion matrix, each row (the labelled class) summing to 1.

    Args:
        path: Where the PNG goes; written atomically.
        matrix: Counts (C, C), rows are labels, columns predictions.
        names: C class names.
        iou: C values 0..1 shown beside the names; NaN is shown as "-".
        title: One line above the matrix.
    """
    # The object interface: pyplot would pick a display and keep global state.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    matrix = np.asarray(matrix)
    count = len(names)
    if matrix.shape != (count, count):
        raise ValueError(
            f"the matrix must be ({count}, {count}) for {count} names: got "
            f"{matrix.shape}."
        )
    if iou is not None and len(iou) != count:
        raise ValueError(f"iou must have {count} values: got {len(iou)}.")
    rows = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, rows, out=np.zeros(matrix.shape), where=rows > 0)
    side = float(np.clip(0.5 * count + 2.5, 5, 40))
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    picture = axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    figure.colorbar(picture, ax=axes, label="share of the labelled pixels")
    plain = [str(name).replace("$", r"\$") for name in names]
    beside = plain
    if iou is not None:
        beside = [
            f"{name}  " + ("-" if np.isnan(value) else f"{100 * value:.1f}")
            for name, value in zip(plain, iou, strict=True)
        ]
    axes.set_xticks(range(count), plain, rotation=90)
    axes.set_yticks(range(count), beside)
    axes.set_xlabel("predicted")
    axes.set_ylabel("labelled" if iou is None else "labelled  (IoU in %)")
    axes.set_title(title)
    if count <= 40:
        for row, column in np.argwhere(shares >= 0.005):
            share = shares[row, column]
            axes.text(
                column,
                row,
                f"{100 * share:.0f}",
                ha="center",
                va="center",
                fontsize=8,
                color="white" if share > 0.5 else "black",
            )
    with atomic_file(path) as temporary:
        figure.savefig(temporary, dpi=100, format="png")
