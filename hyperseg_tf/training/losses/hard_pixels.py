"""Losses over the hard pixels: bootstrapped cross entropy, as published, and OHEM.

"The mean of all pixel losses above the threshold if there are more than k of them,
else the mean of the k largest": both branches agree when exactly k pixels are above
the threshold, so it does not matter whether the rule looks at the k-th or, as the
release does, at the next one.
"""

import math

import keras
from keras import ops

from hyperseg_tf.base.constants import VOID
from hyperseg_tf.training.losses.pixels import (
    PixelLoss,
    broken,
    for_every_image,
    mean,
)


@keras.saving.register_keras_serializable("hyperseg_tf")
class BootstrappedCrossEntropy(PixelLoss):
    """Cross entropy averaged over the hard pixels of each image, then over images.

    Void pixels take no part; `k` is cut to the number of valid pixels; an image
    without a valid pixel contributes 0. Computed in float32 whatever the precision
    of the logits. A NaN or infinite pixel loss makes the loss NaN.

    Args:
        k: Fewest pixels averaged per image, at least 1. 0 is refused: use a large
            `k` for the mean over all pixels.
        threshold: Pixel loss above which a pixel is hard, at least 0.
        void: Label value of the pixels to ignore.
        released_arithmetic: Let void pixels count as pixels of loss 0 and cut `k`
            to the number of all pixels, void ones included, as the authors' code
            does (which crashes where an image has k pixels or fewer; this does not).
        class_weights: One per class: what its pixels count in the mean over the hard
            ones. Which are hard does not depend on them.
        reduction: Over the images, as of every Keras loss.
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
        k=4096,
        threshold=0.3,
        void=VOID,
        released_arithmetic=False,
        class_weights=None,
        reduction="sum_over_batch_size",
        name="bootstrapped_cross_entropy",
        dtype="float32",
    ):
        if k < 1 or threshold < 0:
            raise ValueError(
                f"k must be at least 1 and threshold at least 0: got {k=} and "
                f"{threshold=}; the published values are 4096 and 0.3."
            )
        super().__init__(void, class_weights, reduction, name, dtype)
        self.k = k
        self.threshold = threshold
        self.released_arithmetic = released_arithmetic

    def of_pixels(self, losses, weights, valid):
        return mean_of_hard(
            losses, weights, valid, self.k, self.threshold, self.released_arithmetic
        )

    def get_config(self):
        return {
            **super().get_config(),
            "k": self.k,
            "threshold": self.threshold,
            "released_arithmetic": self.released_arithmetic,
        }


@keras.saving.register_keras_serializable("hyperseg_tf")
class OnlineHardExamples(PixelLoss):
    """Cross entropy averaged over the hard pixels of a batch (OHEM).

    A pixel is hard where the network gives its class a probability below the one here;
    of a batch with fewer than `k` hard pixels per image, the `k` hardest per image,
    counted over the batch, are averaged. Void takes no part, a batch of void is 0. NaN
    as of `BootstrappedCrossEntropy`, which decides image by image.

    Args:
        k: Fewest pixels averaged per image of the batch, at least 1.
        probability: Of its class, below which a pixel is hard; in 0..1, both excluded.
        void: Label value of the pixels to ignore.
        class_weights: One per class: what its pixels count in the mean over the hard
            ones. Which are hard does not depend on them.
        reduction: Over the images, each of which has the loss of the batch.
        name: Of the loss.
        dtype: Labels and logits are cast to it first.

    Shapes:
        labels, logits, returns: As of `BootstrappedCrossEntropy`.
    """

    def __init__(
        self,
        k=4096,
        probability=0.7,
        void=VOID,
        class_weights=None,
        reduction="sum_over_batch_size",
        name="ohem",
        dtype="float32",
    ):
        if k < 1 or not 0 < probability < 1:
            raise ValueError(
                "k must be at least 1 and probability between 0 and 1: got "
                f"{k=} and {probability=}."
            )
        super().__init__(void, class_weights, reduction, name, dtype)
        self.k = k
        self.probability = probability

    def of_pixels(self, losses, weights, valid):
        k = self.k * ops.shape(losses)[0]
        batch = (ops.reshape(x, (1, -1)) for x in (losses, weights, valid))
        (loss,) = ops.unstack(mean_of_hard(*batch, k, -math.log(self.probability)), 1)
        return for_every_image(loss, losses)

    def get_config(self):
        return {
            **super().get_config(),
            "k": self.k,
            "probability": self.probability,
        }


def mean_of_hard(losses, weights, valid, k, threshold, void_counts=False):
    """The mean over losses above a threshold, or over the k largest if these are more.

    Args:
        losses: float32 (B, P), 0 where not `valid`.
        weights: float32 (B, P), what each counts in the mean; 0 where not `valid`.
        valid: bool (B, P).
        k: Fewest losses averaged per row; an int, or a tensor.
        threshold: A number.
        void_counts: What is not valid counts as a loss of 0 among the k largest.

    Returns:
        float32 (B,); NaN of a row with a loss that is not finite.
    """
    hard = ops.cast(losses > threshold, "float32")
    mean_hard = mean(losses, hard * weights, axis=1)
    enough = ops.sum(hard, axis=1) >= ops.cast(k, "float32")
    # Most of the training every image has enough hard pixels: sort only if not.
    result = ops.cond(
        ops.all(enough),
        lambda: mean_hard,
        lambda: ops.where(
            enough, mean_hard, _mean_of_largest(losses, weights, valid, k, void_counts)
        ),
    )
    # Sorting puts NaN anywhere, comparing drops it: a broken pixel must show.
    return result + broken(losses, axis=1)


def _mean_of_largest(losses, weights, valid, k, void_counts):
    pixels = ops.shape(losses)[1]
    known = isinstance(pixels, int) and isinstance(k, int)
    k = min(k, pixels) if known else ops.minimum(k, pixels)
    if void_counts:
        weights = ops.where(valid, weights, 1.0)
    else:
        # Void sorts behind every valid pixel, also behind those of loss 0.
        losses = ops.where(valid, losses, -1.0)
    largest, places = ops.top_k(losses, k)
    weights = ops.take_along_axis(weights, places, axis=1)
    return mean(largest, ops.where(largest > -0.5, weights, 0.0), axis=1)
