"""The picture that tells whether a run is still learning."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hyperseg_tf.base.atomic import atomic_file


def draw_curve(
    rows: Sequence[dict[str, float]],
    path: Path,
    best: Mapping[str, Any] | None = None,
) -> None:
    """Draw losses and mIoU over the epochs as a PNG, written atomically.

    Args:
        rows: As in log.csv: epoch, loss, val_loss, val_miou; values that are
            not finite leave a gap.
        path: Of the PNG.
        best: Epoch and val_miou of the model that is kept, if there is one yet.
    """
    # The object interface needs no display and leaves pyplot's state alone.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    epochs = [row["epoch"] for row in rows]
    panels = (("loss", ("loss", "val_loss")), ("mIoU", ("val_miou",)))
    for axes, (title, names) in zip(figure.subplots(1, 2), panels, strict=True):
        for name in names:
            values = [row[name] for row in rows]
            values = [v if math.isfinite(v) else math.nan for v in values]
            label = "validation" if name.startswith("val_") else "training"
            axes.plot(epochs, values, label=label, marker="." if len(rows) < 40 else "")
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_title(title)
        axes.grid(alpha=0.3)
        axes.legend()
    if best is not None:
        title = f"mIoU, best {best['val_miou']:.4f} at {best['epoch']}"
        figure.axes[1].set_title(title)
    figure.axes[1].set_ylim(0, 1)
    with atomic_file(path) as temporary:
        figure.savefig(temporary, dpi=110)
