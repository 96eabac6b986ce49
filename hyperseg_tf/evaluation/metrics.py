"""Counts that stream and the scores computed from them.

The confusion matrix is the only state: scores of a data set follow from the counts
over all of its pixels, never from a mean over batches or images.
"""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from hyperseg_tf.base.constants import ABSENT, VOID
from hyperseg_tf.ops.labels import class_positions


def iou_per_class(matrix: np.ndarray) -> np.ndarray:
    """Return intersection over union of each class, NaN where it never occurs.

    Args:
        matrix: (classes, classes) counts, rows are labels, columns predictions.

    Returns:
        (classes,) float64 in 0..1; NaN for a class in neither label nor prediction.
    """
    matrix = np.asarray(matrix, "float64")
    return iou_of(np.diagonal(matrix), matrix.sum(axis=1), matrix.sum(axis=0))


def iou_of(right: np.ndarray, labelled: np.ndarray, predicted: np.ndarray):
    """Intersection over union, of counts of any one shape; NaN where there are none."""
    return _ratio(right, np.asarray(labelled) + predicted - right)


def dice_per_class(matrix: np.ndarray) -> np.ndarray:
    """Dice coefficient (F1) of each class, float64 (C,); NaN where it never occurs."""
    matrix = np.asarray(matrix, "float64")
    return _ratio(2 * np.diagonal(matrix), matrix.sum(axis=0) + matrix.sum(axis=1))


def accuracy_per_class(matrix: np.ndarray) -> np.ndarray:
    """Share of each class's labelled pixels that are right, (C,); NaN without any."""
    matrix = np.asarray(matrix, "float64")
    return _ratio(np.diagonal(matrix), matrix.sum(axis=1))


def frequency_weighted_iou(matrix: np.ndarray) -> float:
    """Mean of `iou_per_class`, weighted by labelled pixels; NaN without any."""
    labelled = np.asarray(matrix, "float64").sum(axis=1)
    there = labelled > 0
    if not there.any():
        return float("nan")
    return float(np.average(iou_per_class(matrix)[there], weights=labelled[there]))


def merged(matrix: np.ndarray, groups: Sequence[Sequence[int]]) -> np.ndarray:
    """IoU of groups of classes, each taken for one class: float64 (groups,).

    Args:
        matrix: (classes, classes) counts, rows are labels, columns predictions.
        groups: Indices of the classes of each.
    """
    found = []
    for group in groups:
        right = matrix[np.ix_(group, group)].sum()
        found.append((right, matrix[group].sum(), matrix[:, group].sum()))
    return iou_of(*np.array(found, "float64").T)


def mean_iou(
    matrix: np.ndarray, absent: str = "skip", counted: Sequence[int] | None = None
) -> float:
    """Return the mean of `iou_per_class`.

    Args:
        matrix: (classes, classes) counts, rows are labels, columns predictions.
        absent: "skip" leaves classes that never occur out of the mean, "zero"
            counts them as 0, as the authors' test script does.
        counted: Indices of the classes that the mean is over; None for all.

    Returns:
        A number in 0..1; NaN if "skip" leaves nothing.
    """
    check_absent(absent)
    iou = iou_per_class(matrix)
    return mean_of_classes(iou, range(len(iou)) if counted is None else counted, absent)


def mean_of_classes(
    scores: np.ndarray, counted: Sequence[int], absent: str = "skip"
) -> float:
    """Mean of scores (C,) over classes; NaN is an absent class, as of `mean_iou`."""
    iou = np.asarray(scores)[list(counted)]
    if absent == "zero":
        return float(np.nan_to_num(iou).mean())
    iou = iou[~np.isnan(iou)]
    return float(iou.mean()) if len(iou) else float("nan")


def confusion_counts(labels, predictions, num_classes: int, void: int = VOID):
    """Count (label, prediction) pairs of one batch, in a graph of any backend.

    Args:
        labels: (B, H, W), whole numbers of any dtype, 0 to num_classes - 1 or void; or
            (B, H, W, 1), or one-hot (B, H, W, num_classes).
        predictions: (B, H, W, num_classes) logits, or (B, H, W) class map.

    Returns:
        int32 (num_classes, num_classes), rows are labels.

    Raises:
        ValueError: Labels or predictions have another shape.
    """
    is_map = len(predictions.shape) == 3
    shape = (*predictions.shape, num_classes) if is_map else predictions.shape
    labels = ops.reshape(class_positions(labels, shape, void), (-1,))
    if not is_map:
        predictions = ops.argmax(predictions, axis=-1)
    predictions = ops.reshape(ops.cast(predictions, "int32"), (-1,))
    cells = num_classes**2
    # One cell more than the matrix has takes the void pixels.
    cell = ops.where(labels == void, cells, labels * num_classes + predictions)
    counts = ops.segment_sum(ops.ones_like(cell), cell, num_segments=cells + 1)
    return ops.reshape(counts[:-1], (num_classes, num_classes))


@keras.saving.register_keras_serializable("hyperseg_tf")
class ConfusionMatrix(keras.metrics.Metric):
    """Count (label, prediction) pairs; the result is the matrix so far.

    Args:
        num_classes: Number of classes, at least 1.
        void: Label value of the pixels to ignore.

    Shapes:
        labels: (B, H, W), whole numbers of any dtype, 0 to num_classes - 1 or void; or
            (B, H, W, 1), or one-hot (B, H, W, num_classes), zeros alone are void.
        predictions: (B, H, W, num_classes) logits, or (B, H, W) class map.
        result: (num_classes, num_classes) int64, rows are labels.
    """

    def __init__(self, num_classes, void=VOID, name="confusion_matrix", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.num_classes = num_classes
        self.void = void
        # float32 stops counting at 16.8 million pixels, 100 small images.
        self.matrix = self.add_variable(
            (num_classes, num_classes), "zeros", dtype="int64", name="matrix"
        )

    def update_state(self, labels, predictions, sample_weight=None):
        if sample_weight is not None:
            raise ValueError("Pixels are counted, not weighed: got sample_weight.")
        counts = confusion_counts(labels, predictions, self.num_classes, self.void)
        self.matrix.assign_add(ops.cast(counts, self.matrix.dtype))

    def result(self):
        return ops.convert_to_tensor(self.matrix)

    def counts(self) -> np.ndarray:
        """Return the matrix so far as a NumPy array, (classes, classes) int64."""
        return ops.convert_to_numpy(ConfusionMatrix.result(self)).astype("int64")

    def get_config(self):
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "void": self.void,
        }


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    part, whole = np.asarray(part, "float64"), np.asarray(whole, "float64")
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)


def check_absent(absent: str) -> None:
    """Raise `ValueError` unless there is such a rule for absent classes."""
    if absent not in ABSENT:
        raise ValueError(f"absent must be one of {ABSENT}: got {absent!r}.")
