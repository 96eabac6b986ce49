"""Batch normalization whose running variance is the unbiased one.

Keras stores the biased batch variance in its moving average, the released
implementation the unbiased one; with few pixels per channel the two differ. With
TensorFlow the training pass is one fused kernel, faster than the five
that `keras.layers.BatchNormalization` runs on a CPU.
"""

import keras

from hyperseg_tf.ops.normalise import normalise, normalise_batch

# Of every normalization behind the backbone, as released.
NORM = {"momentum": 0.9, "epsilon": 1e-5}


@keras.saving.register_keras_serializable("hyperseg_tf")
class BatchNorm(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` with an unbiased running variance.

    Args:
        momentum: Share of the old running statistics that a step keeps.
        epsilon: Added to the variance.
        synchronized: Taken for Keras' sake. Statistics are always those of the whole
            batch, whichever devices share it.

    Shapes:
        inputs: (N, H, W, C).
        returns: Same shape and dtype.
    """

    def call(self, inputs, training=None):
        if not (training and self.trainable):
            return normalise(
                inputs,
                self.gamma,
                self.beta,
                self.moving_mean,
                self.moving_variance,
                self.epsilon,
            )
        y, mean, variance = normalise_batch(inputs, self.gamma, self.beta, self.epsilon)
        self.update(mean, variance)
        return y

    def update(self, mean, unbiased_variance):
        """Move the running statistics towards those of a batch, both (C,)."""
        keep = self.momentum
        self.moving_mean.assign(self.moving_mean * keep + mean * (1 - keep))
        self.moving_variance.assign(
            self.moving_variance * keep + unbiased_variance * (1 - keep)
        )
