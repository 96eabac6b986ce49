"""The loss of the published runs: cross entropy over the hard pixels.

"The mean of all pixel losses above the threshold if there are more than k of them,
else the mean of the k largest": both branches agree when exactly k pixels are above
the threshold, so it does not matter whether the rule looks at the k-th or, as the
release does, at the next one.
"""

import keras
from keras import ops

from hyperseg_tf.base.constants import VOID


@keras.saving.register_keras_serializable("hyperseg_tf")
class BootstrappedCrossEntropy(keras.losses.Loss):
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
        reduction: Over the images, as of every Keras loss.
        name: Of the loss.
        dtype: Labels and logits are cast to it first.

    Shapes:
        labels: (B, H, W), whole numbers of any dtype, 0 to classes - 1 or void.
        logits: (B, H, W, classes), any float dtype.
        returns: scalar float32; (B,) with `reduction=None`.
    """

    def __init__(
        self,
        k=4096,
        threshold=0.3,
        void=VOID,
        released_arithmetic=False,
        reduction="sum_over_batch_size",
        name="bootstrapped_cross_entropy",
        dtype="float32",
    ):
        if k < 1 or threshold < 0:
            raise ValueError(
                f"k must be at least 1 and threshold at least 0: got {k=} and "
                f"{threshold=}; the published values are 4096 and 0.3."
            )
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.k = k
        self.threshold = threshold
        self.void = void
        self.released_arithmetic = released_arithmetic

    def call(self, labels, logits):
        labels, logits = ops.cast(labels, "int32"), ops.cast(logits, "float32")
        valid = ops.not_equal(labels, self.void)
        losses = ops.sparse_categorical_crossentropy(
            ops.where(valid, labels, 0), logits, from_logits=True
        )
        pixels = losses.shape[1:]
        count = -1 if None in pixels else int(pixels[0] * pixels[1])
        batch = ops.shape(losses)[0]
        valid = ops.reshape(valid, (batch, count))
        losses = ops.where(valid, ops.reshape(losses, (batch, count)), 0.0)

        hard = ops.cast(losses > self.threshold, "float32")
        num_hard = ops.sum(hard, axis=1)
        mean_hard = ops.sum(losses * hard, axis=1) / ops.maximum(num_hard, 1.0)
        enough = num_hard >= self.k
        # Most of the training every image has enough hard pixels: sort only if not.
        result = ops.cond(
            ops.all(enough),
            lambda: mean_hard,
            lambda: ops.where(enough, mean_hard, self._mean_of_largest(losses, valid)),
        )
        # Sorting puts NaN anywhere, comparing drops it: a broken pixel must show.
        return result + ops.stop_gradient(0.0 * ops.sum(losses, axis=1))

    def get_config(self):
        return {
            **super().get_config(),
            "k": self.k,
            "threshold": self.threshold,
            "void": self.void,
            "released_arithmetic": self.released_arithmetic,
            "dtype": self.dtype,
        }

    def _mean_of_largest(self, losses, valid):
        pixels = ops.shape(losses)[1]
        k = min(self.k, pixels) if isinstance(pixels, int) else None
        if k is None:
            k = ops.minimum(self.k, pixels)
        if self.released_arithmetic:
            return ops.mean(ops.top_k(losses, k)[0], axis=1)
        # Void sorts behind every valid pixel, also behind those of loss 0.
        largest, _ = ops.top_k(ops.where(valid, losses, -1.0), k)
        taken = ops.cast(largest > -0.5, "float32")
        return ops.sum(largest * taken, axis=1) / ops.maximum(ops.sum(taken, axis=1), 1)
