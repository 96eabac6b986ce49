"""No class is made of logits that are none: NaN has no largest class, only a first."""

import keras
import numpy as np

from hyperseg_tf.base.errors import UserError


class NotFinite(UserError):
    """Logits of a picture are infinite or undefined.

    Attributes:
        index: The first such picture of the batch.
    """

    def __init__(self, index: int) -> None:
        super().__init__(
            "logits must be finite: the model gives infinite or undefined ones; it may "
            "have diverged, take an earlier one."
        )
        self.index = index


def check_finite(logits) -> None:
    """Raise `NotFinite` unless all logits are finite.

    Their sum is read once, in a small part of the time that one convolution takes; it
    is finite unless one of them is not, or they are so large that a closer look is due.

    Args:
        logits: Tensor of the backend or array, (B, H, W, C), floats.
    """
    if np.isfinite(float(keras.ops.sum(logits))):
        return
    finite = np.isfinite(keras.ops.convert_to_numpy(logits)).all(axis=(1, 2, 3))
    if not finite.all():
        raise NotFinite(int(np.argmin(finite)))
