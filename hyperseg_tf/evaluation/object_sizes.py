"""IoU of small, medium and large objects, which labels of classes alone do not name.

An object is a connected region of one class in the label. What is wrongly said to be a
class belongs to no object, so it is shared out among the sizes as their pixels are:
the mean of a class's IoU by size, weighted by pixels, is its IoU. (After Wang et al.,
2023.)
"""

import numpy as np

from hyperseg_tf.base.constants import VOID

# In pixels of the label; below the first is small, as COCO has it.
LIMITS = (32**2, 96**2)
SIZES = ("small", "medium", "large")


def size_counts(
    label: np.ndarray, prediction: np.ndarray, num_classes: int
) -> np.ndarray:
    """Pixels of objects by their size.

    Args:
        label: uint8 (H, W), classes and VOID.
        prediction: uint8 (H, W).
        num_classes: C, above every class.

    Returns:
        int64 (2, 3, C): those that are right, and all, by size and class.
    """
    run, run_class, of_run = objects(label)
    length = np.bincount(run.reshape(-1), minlength=len(run_class))
    right = np.bincount(run[label == prediction], minlength=len(run_class))
    area = np.bincount(of_run, weights=length)[of_run]
    cell = np.digitize(area, LIMITS) * num_classes + run_class
    known = run_class != VOID
    return np.stack(
        [
            np.bincount(
                cell[known], counts[known], minlength=len(SIZES) * num_classes
            ).reshape(len(SIZES), num_classes)
            for counts in (right, length)
        ]
    ).astype(np.int64)


def iou_by_size(counts: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """IoU of every class by the size of its objects.

    Args:
        counts: Of `size_counts`, (2, 3, C), summed over pictures.
        matrix: Confusion matrix (C, C), rows are labels.

    Returns:
        float64 (3, C) in 0..1; NaN where a class has no object of the size.
    """
    right, there = counts.astype(float)
    labelled = matrix.sum(axis=1)
    wrongly = matrix.sum(axis=0) - np.diagonal(matrix)
    alarms = np.divide(wrongly, labelled, out=np.zeros(len(matrix)), where=labelled > 0)
    union = there * (1 + alarms)
    return np.divide(right, union, out=np.full(union.shape, np.nan), where=union > 0)


def objects(label: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Connected regions of one value, those that touch at a corner included.

    Args:
        label: uint8 (H, W).

    Returns:
        The run of every pixel, int (H, W): neighbours in a row of one value; and of
        every run its value (R,) and its region (R,), the number of another run.
    """
    begins = np.ones(label.shape, bool)
    begins[:, 1:] = label[:, 1:] != label[:, :-1]
    run = np.cumsum(begins.reshape(-1), dtype=np.int64).reshape(label.shape) - 1
    one, two = [], []
    # Of runs one above the other the first pixel they share begins one of them.
    upper, lower = label[:-1], label[1:]
    at = (upper == lower) & (begins[:-1] | begins[1:])
    one.append(run[:-1][at])
    two.append(run[1:][at])
    # At a corner one ends and the other begins.
    corner = begins[:-1, 1:] & begins[1:, 1:]
    for left, right in ((0, 1), (1, 0)):
        width = label.shape[1] - 1
        above, below = slice(left, left + width), slice(right, right + width)
        at = corner & (upper[:, above] == lower[:, below])
        one.append(run[:-1, above][at])
        two.append(run[1:, below][at])
    parents = _joined(int(run[-1, -1]) + 1, np.concatenate(one), np.concatenate(two))
    return run, label[begins], parents


def _joined(count: int, one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """The least number of all that are joined with each of `count`, (count,)."""
    parent = np.arange(count)
    while len(one):
        low = np.minimum(parent[one], parent[two])
        high = np.maximum(parent[one], parent[two])
        np.minimum.at(parent, high, low)
        while True:
            further = parent[parent]
            if np.array_equal(further, parent):
                break
            parent = further
        apart = parent[one] != parent[two]
        one, two = one[apart], two[apart]
    return parent
