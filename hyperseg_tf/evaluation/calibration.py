"""Whether a network is as often right as it says: the expected calibration error."""

import numpy as np

from hyperseg_tf.base.constants import VOID

BINS = 15


def calibration_counts(
    label: np.ndarray, prediction: np.ndarray, confidence: np.ndarray
) -> np.ndarray:
    """Pixels by the probability of their predicted class, in equal parts of 0..1.

    Args:
        label: uint8 (H, W), classes and VOID, which does not count.
        prediction: uint8 (H, W).
        confidence: float32 (H, W), the probability of the predicted class.

    Returns:
        float64 (3, BINS): pixels, the sum of their confidences, and those that are
        right.
    """
    valid = label != VOID
    confidence = confidence[valid].astype(np.float64)
    right = label[valid] == prediction[valid]
    part = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    return np.stack(
        [
            np.bincount(part, minlength=BINS),
            np.bincount(part, confidence, minlength=BINS),
            np.bincount(part, right, minlength=BINS),
        ]
    ).astype(np.float64)


def calibration_error(counts: np.ndarray) -> float:
    """The mean over pixels of |share that is right - mean confidence| of their bins.

    Args:
        counts: Of `calibration_counts`, summed over pictures.

    Returns:
        A number in 0..1; NaN without pixels. (Guo et al., 2017)
    """
    pixels, confidence, right = counts
    total = pixels.sum()
    return float(np.abs(right - confidence).sum() / total) if total else float("nan")
