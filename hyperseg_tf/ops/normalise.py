"""The arithmetic of batch normalization, with given statistics and with the batch's."""

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


def normalise_batch(x, gamma, beta, epsilon):
    """Normalise with the statistics of the batch itself.

    Args:
        x: (N, H, W, C).
        gamma, beta: (C,).
        epsilon: Added to the (biased) variance.

    Returns:
        (N, H, W, C) normalised, and the batch's (C,) mean and unbiased variance.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # Its variance output is the unbiased one already.
        y, mean, unbiased, *_ = tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=tf.convert_to_tensor(gamma),
            offset=tf.convert_to_tensor(beta),
            mean=tf.constant([], tf.float32),
            variance=tf.constant([], tf.float32),
            epsilon=epsilon,
            is_training=True,
        )
        return y, mean, unbiased
    mean, variance = ops.moments(ops.cast(x, "float32"), axes=(0, 1, 2))
    return normalise(x, gamma, beta, mean, variance, epsilon), mean, unbias(variance, x)


def unbias(variance, x):
    """Turn the biased (C,) variance of all pixels of x (..., C) into the unbiased."""
    count = ops.cast(ops.size(x), "float32") / x.shape[-1]
    # A single value has no unbiased variance; keep 0 instead of 0 / 0.
    return variance * (count / ops.maximum(count - 1.0, 1.0))
