"""How far scores would differ on other pictures of the same kind: the bootstrap."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hyperseg_tf.evaluation.metrics import iou_of, mean_of_classes

RESAMPLES = 1000
LEVEL = 0.95
_SEED = 0
_AT_ONCE = 100

Interval = tuple[float, float]


@dataclass(frozen=True)
class Intervals:
    """The middle 95 % of scores on pictures drawn again, with replacement.

    Attributes:
        miou: (low, high), 0..1.
        pixel_accuracy: (low, high), 0..1.
        iou: float64 (C, 2); NaN for a class that no draw has.
    """

    miou: Interval
    pixel_accuracy: Interval
    iou: np.ndarray


def bootstrap(
    counts: np.ndarray, counted: Sequence[int], absent: str
) -> Intervals | None:
    """Percentile intervals; the same numbers every time.

    Args:
        counts: int64 (N, 3, C): of every picture the pixels of each class that are
            right, labelled so, and predicted so.
        counted: Classes of the mean.
        absent: "skip" or "zero", what absent classes do to the mean.

    Returns:
        None of fewer than two pictures, or of no labelled pixel.
    """
    number = len(counts)
    if number < 2 or not counts[:, 1].any():
        return None
    drawn = drawn_again(counts.reshape(number, -1))
    right, labelled, predicted = np.moveaxis(
        drawn.reshape(RESAMPLES, *counts.shape[1:]), 1, 0
    )
    iou = iou_of(right, labelled, predicted)
    means = np.array([mean_of_classes(row, counted, absent) for row in iou])
    total = labelled.sum(axis=1)
    accuracy = right.sum(axis=1)[total > 0] / total[total > 0]
    return Intervals(
        middle(means),
        middle(accuracy),
        np.array([middle(column) for column in iou.T]),
    )


def drawn_again(counts: np.ndarray) -> np.ndarray:
    """Sums of the counts of pictures (N, n), N of them drawn with replacement.

    Returns:
        float64 (RESAMPLES, n); the same drawings every time, for one N.
    """
    number = len(counts)
    rng = np.random.default_rng(_SEED)
    flat = counts.astype(np.float64)
    even = np.full(number, 1 / number)
    sums = [
        rng.multinomial(number, even, size=_AT_ONCE).astype(np.float64) @ flat
        for _ in range(RESAMPLES // _AT_ONCE)
    ]
    return np.concatenate(sums)


def middle(values: np.ndarray) -> Interval:
    """Where the middle 95 % of values (n,) lie, NaN left out: (low, high)."""
    values = values[~np.isnan(values)]
    if not len(values):
        return float("nan"), float("nan")
    tails = (1 - LEVEL) / 2
    low, high = np.quantile(values, [tails, 1 - tails])
    return float(low), float(high)
