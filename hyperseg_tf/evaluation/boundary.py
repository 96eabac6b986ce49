"""IoU along the outlines of classes, where the area alone hardly says a difference.

As boundary IoU (Cheng et al., 2021), summed over all pictures like IoU: of each class
only the pixels within a distance of its outline count, in label and prediction.
"""

import math

import numpy as np

from hyperseg_tf.base.constants import VOID

# Of a picture's diagonal.
WIDTH = 0.02


def boundary_counts(
    label: np.ndarray, prediction: np.ndarray, num_classes: int, width: float = WIDTH
) -> np.ndarray:
    """Pixels near the outlines of each class.

    Args:
        label: uint8 (H, W), classes and VOID; void ends a class, and does not count.
        prediction: uint8 (H, W).
        num_classes: C, above every class.
        width: Share of the diagonal that counts as near; one pixel at least.

    Returns:
        int64 (3, C): near in both and the same class there, near in the label, near in
        the prediction.
    """
    distance = max(1, round(width * math.hypot(*label.shape)))
    valid = label != VOID
    ours = outline(label, distance) & valid
    theirs = outline(prediction, distance) & valid
    both = ours & theirs & (label == prediction)
    return np.stack(
        [
            np.bincount(label[both], minlength=num_classes),
            np.bincount(label[ours], minlength=num_classes),
            np.bincount(prediction[theirs], minlength=num_classes),
        ]
    )


def outline(classes: np.ndarray, distance: int) -> np.ndarray:
    """Where another class, or the border, is within `distance` pixels: bool (H, W).

    A square of `2 * distance + 1` pixels around each is looked at.

    Args:
        classes: uint8 (H, W).
        distance: At least 1.
    """
    near = np.ones(classes.shape, bool)
    side = 2 * distance + 1
    if min(classes.shape) >= side:
        least, most = classes, classes
        for axis in (0, 1):
            least = _running(np.minimum, least, side, axis)
            most = _running(np.maximum, most, side, axis)
        inside = slice(distance, -distance)
        near[inside, inside] = least != most
    return near


def _running(of_two: np.ufunc, array: np.ndarray, side: int, axis: int) -> np.ndarray:
    """`of_two` over every `side` neighbours, which are fewer by `side - 1`."""

    def part(begin: int, end: int | None) -> tuple[slice, ...]:
        return (slice(None),) * axis + (slice(begin, end),)

    # What covers `length` neighbours, twice, covers up to twice as many.
    length = 1
    while 2 * length <= side:
        array = of_two(array[part(0, -length)], array[part(length, None)])
        length *= 2
    rest = side - length
    return of_two(array[part(0, -rest)], array[part(rest, None)]) if rest else array
