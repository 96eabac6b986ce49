"""The picture that tells whether a run is still learning, and which classes are not."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hyperseg_tf.base.atomic import atomic_file
from hyperseg_tf.training.scores import IOU, lowest_classes

# Classes that are drawn: those of the lowest IoU are the thin and the rare ones.
_LOWEST = 4
_LONGEST_NAME = 24


def draw_curve(
    rows: Sequence[dict[str, float]],
    path: Path,
    best: Mapping[str, Any] | None = None,
) -> None:
    """Draw losses, mIoU, the lowest classes and the rate as a PNG, written atomically.

    Args:
        rows: As in log.csv: epoch, loss, val_loss, val_miou and, in newer ones, lr and
            iou/<class>; values that are not finite, or not there, leave a gap.
        path: Of the PNG.
        best: Epoch and val_miou of the model that is kept, if there is one yet; a line
            marks it in every panel.
    """
    # The object interface needs no display and leaves pyplot's state alone.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(9, 6.6), layout="constrained")
    FigureCanvasAgg(figure)
    shown = next((row for row in rows if best and row["epoch"] == best["epoch"]), None)
    found = lowest_classes(shown or rows[-1], _LOWEST)
    mean = "mIoU"
    if best is not None:
        mean = f"mIoU, best {best['val_miou']:.4f} at {best['epoch']}"
    panels = (
        ("loss", {"loss": "training", "val_loss": "validation"}),
        (mean, {"val_miou": "validation"}),
        ("IoU of the lowest classes", {f"{IOU}{n}": _label(n, v) for n, v in found}),
        ("learning rate", {"lr": "last step"}),
    )
    for axes, (title, names) in zip(figure.subplots(2, 2).flat, panels, strict=True):
        for name, label in names.items():
            _draw(axes, rows, name, label)
        if best is not None:
            axes.axvline(best["epoch"], color="grey", linestyle=":", label="best epoch")
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_title(title)
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(fontsize="small")
    figure.axes[1].set_ylim(0, 1)
    figure.axes[2].set_ylim(bottom=0)
    with atomic_file(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _draw(axes, rows: Sequence[dict[str, float]], name: str, label: str) -> None:
    values = [row.get(name, math.nan) for row in rows]
    values = [v if math.isfinite(v) else math.nan for v in values]
    if not all(map(math.isnan, values)):
        marker = "." if len(rows) < 40 else ""
        axes.plot([row["epoch"] for row in rows], values, label=label, marker=marker)


def _label(name: str, iou: float) -> str:
    """A class in a legend: "$" would begin a formula, "_" hide the entry."""
    cut = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]} ..."
    return f" {cut}, {iou:.3f}".replace("$", r"\$")
