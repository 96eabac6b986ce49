"""Ways to draw a class map over its picture, readable at any size."""

import numpy as np

from hyperseg_tf.base.constants import VOID
from hyperseg_tf.visualise.class_map import Colours, colourise, overlay

VIEWS = ("overlay", "beside", "contours")
# Pictures whose longer side is shorter are enlarged, each pixel to a square.
LEGIBLE = 256
_LARGEST_FACTOR = 16
# Width of contours, of the shorter side.
_CONTOUR = 1 / 240
_GAP = 8


def enlargement(size: tuple[int, int]) -> int:
    """How many times as large a picture (height, width) is drawn, 1..16."""
    return int(np.clip(-(-LEGIBLE // max(size)), 1, _LARGEST_FACTOR))


def drawn(
    image: np.ndarray,
    label: np.ndarray,
    colours: Colours,
    view: str = "overlay",
    alpha: float = 0.5,
) -> np.ndarray:
    """Draw a class map over its picture, a small one enlarged by `enlargement`.

    Args:
        image: uint8 (H, W, 3) RGB.
        label: Integer (H, W); 255 is void, where the picture is bare.
        colours: One RGB triple (or None) per class.
        view: "overlay" blends the colours with the picture; "beside" has the bare
            picture on the left of that; "contours" draws the borders of regions alone,
            on each side in the colour of its class.
        alpha: Weight of the colour, 0..1, of all views.

    Returns:
        uint8 (k H, k W, 3); of "beside" (k H, 2 k W + 8, 3).

    Raises:
        ValueError: The view is none of these; as of `overlay`.
    """
    if view not in VIEWS:
        raise ValueError(f"a view is one of {', '.join(VIEWS)}: got {view!r}.")
    factor = enlargement(label.shape)
    image, label = _repeated(np.asarray(image), factor), _repeated(label, factor)
    if view == "contours":
        return _contours(image, label, colours, alpha)
    painted = overlay(image, label, colours, alpha)
    if view == "overlay":
        return painted
    gap = np.full((image.shape[0], _GAP, 3), 255, np.uint8)
    return np.concatenate([image, gap, painted], axis=1)


def _contours(image, label, colours, alpha):
    width = max(1, round(min(label.shape) * _CONTOUR))
    border = np.zeros(label.shape, bool)
    down = label[1:] != label[:-1]
    right = label[:, 1:] != label[:, :-1]
    border[1:] |= down
    border[:-1] |= down
    border[:, 1:] |= right
    border[:, :-1] |= right
    border = _widened(border, width - 1) & (label != VOID)
    # A line is thin: it has twice the weight of a region.
    painted = colourise(label, colours)[border].astype(np.float32)
    pixels = image[border].astype(np.float32)
    mixed = image.copy()
    mixed[border] = np.rint(pixels + min(1, 2 * alpha) * (painted - pixels))
    return mixed


def _widened(mask, by):
    """True wherever it was within a square of `by` pixels around."""
    for axis in (0, 1):
        for _ in range(by):
            wider = mask.copy()
            head = [slice(None)] * 2
            tail = [slice(None)] * 2
            head[axis], tail[axis] = slice(None, -1), slice(1, None)
            wider[tuple(head)] |= mask[tuple(tail)]
            wider[tuple(tail)] |= mask[tuple(head)]
            mask = wider
    return mask


def _repeated(array, factor):
    if factor == 1:
        return array
    return array.repeat(factor, axis=0).repeat(factor, axis=1)


def shades(confidence: np.ndarray) -> np.ndarray:
    """Probabilities (H, W) of 0..1 as grey of 0..255, uint8."""
    return np.rint(255 * np.clip(confidence, 0, 1)).astype(np.uint8)
