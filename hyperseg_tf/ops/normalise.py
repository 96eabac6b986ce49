"""The arithmetic of batch normalization, with given statistics and with the batch's."""

import keras
from keras import ops

from hyperseg_tf.ops import replicas


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
    """Normalise with the statistics of the batch itself: of all devices that share it.

    Args:
        x: (N, H, W, C).
        gamma, beta: (C,).
        epsilon: Added to the (biased) variance.

    Returns:
        (N, H, W, C) normalised, and the batch's (C,) mean and unbiased variance.
    """
    if replicas.count() > 1:
        mean, variance, unbiased = _shared_moments(ops.cast(x, "float32"))
        return normalise(x, gamma, beta, mean, variance, epsilon), mean, unbiased
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


def _shared_moments(x):
    """Mean, biased and unbiased variance (C,) of x (..., C) of all devices.

    In two passes: the mean of the squares less the square of the mean loses digits
    where the mean is large.
    """
    axes = tuple(range(x.ndim - 1))
    local = ops.cast(ops.size(x) // x.shape[-1], "float32")
    sums = replicas.total(ops.concatenate([ops.sum(x, axes), local[None]]))
    count = sums[-1]
    mean = sums[:-1] / count
    squares = replicas.total(ops.sum(ops.square(x - mean), axes))
    return mean, squares / count, squares / ops.maximum(count - 1.0, 1.0)


def unbias(variance, x):
    """Turn the biased (C,) variance of all pixels of x (..., C) into the unbiased."""
    count = ops.cast(ops.size(x), "float32") / x.shape[-1]
    # A single value has no unbiased variance; keep 0 instead of 0 / 0.
    return variance * (count / ops.maximum(count - 1.0, 1.0))
