"""Bilinear upsampling by two, half-pixel centres, from slices alone.

The same numbers as `tf.image.resize` and `align_corners=False`, with unknown sizes and
on every backend.
"""

from keras import ops


def upsample(x):
    """Double height and width: (B, H, W, C) -> (B, 2H, 2W, C)."""
    return _double(_double(x, 1), 2)


def _double(x, axis):
    """Double one axis: each output lies a quarter pixel beside an input."""
    size = ops.shape(x)[axis]
    before = ops.concatenate([_part(x, axis, 0, 1), _part(x, axis, 0, size - 1)], axis)
    after = ops.concatenate([_part(x, axis, 1, size), _part(x, axis, size - 1, size)], axis)
    centre = x * 0.75
    pairs = ops.stack([centre + before * 0.25, centre + after * 0.25], axis=axis + 1)
    shape = list(ops.shape(x))
    shape[axis] = 2 * size
    return ops.reshape(pairs, shape)


def _part(x, axis, start, stop):
    return x[:, start:stop] if axis == 1 else x[:, :, start:stop]
