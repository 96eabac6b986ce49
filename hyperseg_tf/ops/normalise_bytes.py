"""Images of bytes to what the network takes, in one pass over them."""

import tensorflow as tf

from hyperseg_tf.base import pixels
from hyperseg_tf.ops import build
from hyperseg_tf.ops.window import has_ops


def normalise_bytes(images: tf.Tensor) -> tf.Tensor:
    """`pixels.normalise` of bytes, the same bits, by the custom op if it can be had.

    Args:
        images: uint8 (..., W, 3).

    Returns:
        float32 of the same shape.
    """
    if has_ops():
        return build.load().normalise_bytes(
            x=images, mean=pixels.MEAN, scale=pixels.SCALE
        )
    width = images.shape[-2]
    floats = tf.cast(images, tf.float32)
    if width is None:
        return pixels.normalise(floats)
    # Whole rows at a time cost a fraction of three channels at a time.
    rows = tf.reshape(floats, (-1, 3 * width))
    mean, scale = (tf.tile(x, [width]) for x in (pixels.MEAN, pixels.SCALE))
    found = tf.reshape((rows - mean) * scale, tf.shape(images))
    return tf.ensure_shape(found, images.shape)
