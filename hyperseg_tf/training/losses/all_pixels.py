"""Losses that are a mean over all labelled pixels of a batch."""

import keras
from keras import ops

from hyperseg_tf.base.constants import VOID
from hyperseg_tf.training.losses.pixels import PixelLoss, for_every_image, mean


@keras.saving.register_keras_serializable("hyperseg_tf")
class Focal(PixelLoss):
    """Cross entropy of each pixel times (1 - probability of its class) ** gamma.

    The mean over the labelled pixels of a batch, weighted by class; void takes no part
    and a batch of void is 0. Computed in float32. (Lin et al., 2017)

    Args:
        gamma: At least 0; 0 is cross entropy.
        class_weights: One per class, relative to each other: the mean is
            sum(weight * loss) / sum(weight). None for 1 each.
        void: Label value of the pixels to ignore.
        reduction: Over the images, each of which has the loss of the batch.
        name: Of the loss.
        dtype: Labels and logits are cast to it first.

    Shapes:
        labels: (B, H, W), whole numbers of any dtype, 0 to classes - 1 or void; also
            (B, H, W, 1), or one-hot (B, H, W, classes) with zeros alone at void.
        logits: (B, H, W, classes), any float dtype.
        returns: scalar float32; (B,) with `reduction=None`.
    """

    def __init__(
        self,
        gamma=2.0,
        class_weights=None,
        void=VOID,
        reduction="sum_over_batch_size",
        name="focal",
        dtype="float32",
    ):
        if not gamma >= 0:
            raise ValueError(f"gamma must be at least 0: got {gamma}.")
        super().__init__(void, class_weights, reduction, name, dtype)
        self.gamma = gamma

    def of_pixels(self, losses, weights, valid):
        if self.gamma:
            # Never 0: there a root has no slope.
            missing = ops.maximum(-ops.expm1(-losses), keras.config.epsilon())
            losses = missing**self.gamma * losses
        return for_every_image(mean(losses, weights), losses)

    def get_config(self):
        return {**super().get_config(), "gamma": self.gamma}


@keras.saving.register_keras_serializable("hyperseg_tf")
class CrossEntropy(Focal):
    """The mean cross entropy over the labelled pixels of a batch, weighted by class.

    Args:
        class_weights: As of `Focal`, and so are the others and the shapes.
        void: Label value of the pixels to ignore.
        reduction: Over the images, each of which has the loss of the batch.
        name: Of the loss.
        dtype: Labels and logits are cast to it first.
    """

    def __init__(
        self,
        class_weights=None,
        void=VOID,
        reduction="sum_over_batch_size",
        name="cross_entropy",
        dtype="float32",
    ):
        super().__init__(0, class_weights, void, reduction, name, dtype)

    def get_config(self):
        config = super().get_config()
        del config["gamma"]
        return config
