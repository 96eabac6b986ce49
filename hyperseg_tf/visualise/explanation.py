"""The picture of an explanation: classes, how sure, and how unlike the training."""

import textwrap
from collections.abc import Sequence

import numpy as np
from PIL import Image

from hyperseg_tf.visualise.class_map import Colours

# What is drawn from which percentage of the training's patches on. Dark to bright, and
# told apart by those who see no red or green, too; below the first the picture is bare.
BANDS = (
    (90.0, "than 90 % of the training's patches", (86, 180, 233)),
    (99.0, "than 99 %", (230, 159, 0)),
    (100.0, "than all of them", (213, 0, 110)),
)
_GREYS = (0, 0.25, 0.5, 0.75, 1)
_LARGEST = 900
_DPI = 110


def explained(
    image: np.ndarray,
    painted: np.ndarray,
    confidence: np.ndarray,
    percent: np.ndarray,
    title: str,
    names: Sequence[str],
    colours: Colours,
) -> np.ndarray:
    """Three panels with what they mean below them.

    Args:
        image: uint8 (H, W, 3); larger ones are drawn with fewer pixels.
        painted: The same with its classes, uint8 (H, W, 3).
        confidence: Probability of each pixel's class, (H, W) of 0..1.
        percent: Of the training's patches whose weights are less unlike, (H, W).
        title: Above all; wrapped.
        names: The classes in the picture.
        colours: Theirs.

    Returns:
        uint8 (H', W', 3).
    """
    # The object interface: pyplot would pick a display and keep global state.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    height, width = image.shape[:2]
    shape = float(np.clip(height / width, 0.2, 2))
    below = max(len(BANDS) + 1, -(-len(names) // 3))
    figure = Figure(
        figsize=(16, 5.2 * shape + 1.5 + 0.22 * below), dpi=_DPI, layout="constrained"
    )
    canvas = FigureCanvasAgg(figure)
    text = textwrap.fill(title.replace("$", r"\$"), 140)
    figure.suptitle(text, fontsize=12)
    classes, sure, unlike = figure.subplots(1, 3)
    _show(classes, _smaller(painted), "classes")
    named = [
        Patch(color=np.asarray(colour) / 255, label=name.replace("$", r"\$"))
        for name, colour in zip(names, colours, strict=True)
    ]
    _legend(classes, named, columns=min(3, len(named)))
    grey = _show(sure, _smaller(confidence), "confidence: probability of the class")
    grey.set(cmap="gray", clim=(0, 1))
    greys = [Patch(fc=str(g), ec="#888888", label=f"{g:g}") for g in _GREYS]
    _legend(sure, greys, columns=len(greys))
    _show(unlike, _banded(_smaller(image), _smaller(percent)), "generated weights")
    bands = [
        Patch(color=np.array(colour) / 255, label=f"more unlike {words}")
        for _, words, colour in BANDS
    ]
    bare = Patch(fc="#bbbbbb", label="usual in training (bare picture)")
    _legend(unlike, [bare, *bands], columns=1)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _show(axes, pixels, title):
    drawn = axes.imshow(pixels, interpolation="nearest")
    axes.set_title(title)
    axes.set_axis_off()
    return drawn


def _legend(axes, handles, columns):
    place = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.01)}
    axes.legend(handles=handles, ncols=columns, frameon=False, fontsize=10, **place)


def _smaller(pixels):
    """Every so many pixels of a picture that is larger than what is drawn."""
    step = -(-max(pixels.shape[:2]) // _LARGEST)
    return np.asarray(Image.fromarray(pixels).reduce(step)) if step > 1 else pixels


def _banded(image, percent):
    """The picture, grey and pale, below the colours of the bands."""
    pale = 0.6 * image.mean(axis=-1, keepdims=True) + 0.4 * 255
    mixed = np.repeat(pale, 3, axis=-1)
    for least, _, colour in BANDS:
        there = percent >= least
        mixed[there] = 0.35 * pale[there] + 0.65 * np.array(colour)
    return np.rint(mixed).astype(np.uint8)
