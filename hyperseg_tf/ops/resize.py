"""Bilinear upsampling by two, half-pixel centres (`align_corners=False`).

TensorFlow's own kernel is faster than slices, but not under XLA.
"""

import keras
from keras import ops


def upsample(x, portable: bool = False):
    """Double height and width: (B, H, W, C) -> (B, 2H, 2W, C).

    Args:
        x: (B, H, W, C); sizes may be unknown.
        portable: Slices alone, which XLA fuses; else TensorFlow's kernel where there
            is one. Same numbers but for rounding.
    """
    if keras.backend.backend() == "tensorflow" and not portable:
        import tensorflow as tf

        height, width = ops.shape(x)[1:3]
        # It computes in float32 and says so.
        doubled = tf.image.resize(x, (2 * height, 2 * width), "bilinear")
        return tf.cast(doubled, x.dtype)
    return _double(_double(x, 2), 1)


def _double(x, axis):
    """Double one axis: each output lies a quarter pixel beside an input."""
    size = ops.shape(x)[axis]
    before = ops.concatenate([_part(x, axis, 0, 1), _part(x, axis, 0, size - 1)], axis)
    after = ops.concatenate(
        [_part(x, axis, 1, size), _part(x, axis, size - 1, size)], axis
    )
    centre = x * 0.75
    pairs = ops.stack([centre + before * 0.25, centre + after * 0.25], axis=axis + 1)
    shape = list(ops.shape(x))
    shape[axis] = 2 * size
    return ops.reshape(pairs, shape)


def _part(x, axis, start, stop):
    return x[:, start:stop] if axis == 1 else x[:, :, start:stop]
