"""Batch normalization whose running variance is the unbiased one.

Keras stores the biased batch variance in its moving average, the released
implementation the unbiased one; with few pixels per channel the two differ. With
TensorFlow the training pass is one fused kernel instead of five.
"""

import keras
from keras import ops


def normalise(x, gamma, beta, mean, variance, epsilon):
    """Apply a normalization with given statistics.

    Args:
        x: (..., C).
        gamma, beta, mean, variance: (C,).
        epsilon: Added to the variance.

    Returns:
        (..., C), `(x - mean) / sqrt(variance + epsilon) * gamma + beta`.
    """
    scale = gamma * ops.rsqrt(variance + epsilon)
    shift = beta - mean * scale
    return x * ops.cast(scale, x.dtype) + ops.cast(shift, x.dtype)


def batch_moments(x):
    """Mean, biased variance and unbiased variance over all axes but the last.

    Args:
        x: (..., C).

    Returns:
        Three (C,) float32 tensors.
    """
    x = ops.cast(x, "float32")
    mean, variance = ops.moments(x, axes=tuple(range(len(x.shape) - 1)))
    count = ops.cast(ops.size(x), "float32") / x.shape[-1]
    # A single value has no unbiased variance; keep 0 instead of 0 / 0.
    unbiased = variance * (count / ops.maximum(count - 1.0, 1.0))
    return mean, variance, unbiased


@keras.saving.register_keras_serializable("hyperseg_tf")
class BatchNorm(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` with an unbiased running variance.

    Args:
        momentum: Share of the old running statistics that a step keeps.
        epsilon: Added to the variance.
        synchronized: Statistics over all replicas instead of one's own.

    Shapes:
        inputs: (..., C).
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
        if self.synchronized:
            mean, variance = self._moments(ops.cast(inputs, "float32"), None)
            count = ops.cast(ops.size(inputs), "float32") / inputs.shape[-1]
            self.update(mean, variance * (count / ops.maximum(count - 1.0, 1.0)))
            return normalise(
                inputs, self.gamma, self.beta, mean, variance, self.epsilon
            )
        if keras.backend.backend() == "tensorflow" and len(inputs.shape) == 4:
            return self._fused(inputs)
        mean, variance, unbiased = batch_moments(inputs)
        self.update(mean, unbiased)
        return normalise(inputs, self.gamma, self.beta, mean, variance, self.epsilon)

    def _fused(self, inputs):
        import tensorflow as tf

        # Its variance output is the unbiased one already.
        outputs, mean, unbiased, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.convert_to_tensor(self.gamma),
            offset=tf.convert_to_tensor(self.beta),
            mean=tf.constant([], tf.float32),
            variance=tf.constant([], tf.float32),
            epsilon=self.epsilon,
            is_training=True,
        )
        self.update(mean, unbiased)
        return outputs

    def update(self, mean, unbiased_variance):
        """Move the running statistics towards those of a batch, both (C,)."""
        keep = self.momentum
        self.moving_mean.assign(self.moving_mean * keep + mean * (1 - keep))
        self.moving_variance.assign(
            self.moving_variance * keep + unbiased_variance * (1 - keep)
        )
