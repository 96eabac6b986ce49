"""What is counted of one picture after another; scores follow from the sums."""

import numpy as np

from hyperseg_tf.base.constants import VOID
from hyperseg_tf.evaluation.boundary import boundary_counts
from hyperseg_tf.evaluation.calibration import BINS, calibration_counts
from hyperseg_tf.evaluation.object_sizes import SIZES, size_counts


class Tally:
    """Counts over all pictures, and a few of each.

    Args:
        num_classes: C, of the predictions.

    Attributes:
        matrix: int64 (C, C), rows are labels, columns predictions.
        boundary: int64 (3, C), of `boundary_counts`.
        sizes: int64 (2, 3, C), of `size_counts`.
        calibration: float64 (3, BINS), of `calibration_counts`.
        pictures: int64 (3, C) of every picture: pixels that are right, labelled so and
            predicted so.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self.matrix = np.zeros((num_classes, num_classes), np.int64)
        self.boundary = np.zeros((3, num_classes), np.int64)
        self.sizes = np.zeros((2, len(SIZES), num_classes), np.int64)
        self.calibration = np.zeros((3, BINS))
        self.pictures: list[np.ndarray] = []

    def add(
        self,
        label: np.ndarray,
        prediction: np.ndarray,
        confidence: np.ndarray | None = None,
    ) -> None:
        """Count one picture.

        Args:
            label: uint8 (H, W), classes and VOID.
            prediction: uint8 (H, W).
            confidence: float32 (H, W), the probability of what is predicted, if known.
        """
        if prediction.max(initial=0) >= self.num_classes:
            raise ValueError(
                f"predictions are classes 0..{self.num_classes - 1}: got "
                f"{prediction.max()}."
            )
        matrix = confusion(label, prediction, self.num_classes)
        self.matrix += matrix
        self.pictures.append(
            np.stack([np.diagonal(matrix), matrix.sum(axis=1), matrix.sum(axis=0)])
        )
        self.boundary += boundary_counts(label, prediction, self.num_classes)
        self.sizes += size_counts(label, prediction, self.num_classes)
        if confidence is not None:
            self.calibration += calibration_counts(label, prediction, confidence)


def confusion(
    label: np.ndarray, prediction: np.ndarray, num_classes: int
) -> np.ndarray:
    """Pixels of every pair of classes: int64 (C, C), rows are labels, void left out."""
    cells = num_classes**2
    # One cell more takes the void pixels.
    cell = label.astype(np.int32) * num_classes + prediction
    cell[label == VOID] = cells
    counts = np.bincount(cell.reshape(-1), minlength=cells + 1)
    return counts[:cells].reshape(num_classes, num_classes)
