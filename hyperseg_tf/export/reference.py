"""What the model itself says of pictures, and how sure its own numbers are."""

from dataclasses import dataclass

import keras
import numpy as np

from hyperseg_tf.base import pixels
from hyperseg_tf.export.bounds import Bounds
from hyperseg_tf.inference.finite import check_finite


@dataclass(frozen=True)
class Reference:
    """The answer of a model.

    Attributes:
        logits: float32 (B, H, W, C).
        shift: Largest change of a logit by a relative change of the pixels, as large
            as the rounding of the export's precision.
    """

    logits: np.ndarray
    shift: float

    @property
    def spread(self) -> float:
        """From the smallest logit to the largest.

        Of a fresh model all may be of order 1e-10; equal ones must compare, too.
        """
        largest = float(np.abs(self.logits).max())
        return max(float(np.ptp(self.logits)), 1e-3 * largest, 1e-30)

    def slack(self, bounds: Bounds) -> float:
        """By how much a logit of an export may differ."""
        return max((bounds.error or 0) * self.spread, 10 * self.shift)


def reference(model: keras.Model, images: np.ndarray, bounds: Bounds) -> Reference:
    """Ask the model.

    It computes with its specification of the dynamic convolution, which exports do not
    contain, and with its batch norms, which they have folded.

    Args:
        model: The original.
        images: uint8 (B, H, W, 3).
        bounds: Of the export's precision.

    Raises:
        NotFinite: Of such a model nothing can be compared.
    """
    if hasattr(model, "with_implementation") and model.implementation != "einsum":
        model = model.with_implementation("einsum")
    x, (height, width) = pixels.normalise(images), images.shape[1:3]
    if hasattr(model, "fold"):
        # Such a network pads by itself, to more than this, but not where it is called
        # with a size that it knows to be too small; in an export it knows none.
        x, _ = pixels.to_input(images)
    both = np.concatenate([x, x * np.float32(1 + bounds.rounding)])
    both = keras.ops.convert_to_numpy(model(both, training=False))
    logits, nearby = np.split(both[:, :height, :width], 2)
    check_finite(logits)
    return Reference(logits, float(np.abs(nearby - logits).max()))
