"""A window of a picture that is resized, without resizing the rest of it.

Of bytes the custom op makes it where it can be had, else TensorFlow's own operations:
they resize the part of the picture that the window shows. Both are within a grey level
of resizing everything and cutting then, and their labels equal.
"""

import functools
import logging

import tensorflow as tf

from hyperseg_tf.base.constants import VOID
from hyperseg_tf.ops import build, fused

METHODS = ("bicubic", "bilinear")

_KERNELS = {"bicubic": ("keyscubic", 2), "bilinear": ("triangle", 1)}
_log = logging.getLogger("hyperseg_tf")


def window(
    image: tf.Tensor,
    label: tf.Tensor,
    scaled: tf.Tensor,
    first: tf.Tensor,
    size: tf.Tensor,
    flip: tf.Tensor,
    fill: tf.Tensor,
    method: str = "bicubic",
    antialias: bool = True,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Resize image and label, cut a window and mirror it.

    Args:
        image: (H, W, 3), uint8, or float32 of 0..255.
        label: (H, W) uint8; takes the pixel under each new pixel's centre.
        scaled: (2,) int32, height and width that the whole picture is resized to.
        first: (2,) int32, the window's first row and column there; may be negative.
        size: (2,) int32, height and width of the window.
        flip: () bool, whether the window is mirrored left to right.
        fill: (3,) of the image's type, the colour where the window leaves the picture;
            the label is VOID there.
        method: Of `METHODS`.
        antialias: Widen the kernel where the picture becomes smaller.

    Returns:
        The window's image (h, w, 3), of the same type and within 0..255, and label
        (h, w) uint8.
    """
    if image.dtype == tf.uint8 and has_ops():
        return build.load().sample_window(
            image=image,
            label=label,
            scaled=scaled,
            first=first,
            size=size,
            flip=flip,
            fill=fill,
            method=method,
            antialias=antialias,
            empty_label=VOID,
        )
    return plain(image, label, scaled, first, size, flip, fill, method, antialias)


def plain(
    image, label, scaled, first, size, flip, fill, method="bicubic", antialias=True
):
    """What `window` computes, in TensorFlow's operations; the same arguments."""
    scaled, first, size = (tf.cast(x, tf.int32) for x in (scaled, first, size))
    stop = tf.clip_by_value(first + size, 0, scaled)
    start = tf.minimum(tf.maximum(first, 0), stop)
    shape = tf.shape(label)
    rows, columns = (nearest(shape[i], scaled[i], start[i], stop[i]) for i in (0, 1))
    inner_label = tf.gather(tf.gather(label, rows), columns, axis=1)
    inner_image = tf.cond(
        tf.reduce_all(scaled == shape),
        lambda: image[start[0] : stop[0], start[1] : stop[1]],
        lambda: _resized(image, scaled, start, stop, method, antialias),
    )
    before = tf.clip_by_value(start - first, 0, size)
    paddings = tf.stack([before, size - (stop - start) - before], axis=1)
    out_label = tf.pad(inner_label, paddings, constant_values=VOID)
    inside = tf.pad(tf.fill(stop - start, True), paddings)[..., None]
    deep = tf.concat([paddings, [[0, 0]]], axis=0)
    out_image = tf.where(inside, tf.pad(inner_image, deep), fill)
    return tuple(tf.where(flip, tf.reverse(x, [1]), x) for x in (out_image, out_label))


def _resized(image, scaled, start, stop, method, antialias):
    """Rows and columns start..stop of the picture resized to `scaled`."""
    kernel, radius = _KERNELS[method]
    old = tf.cast(tf.shape(image)[:2], tf.float32)
    factor = tf.cast(scaled, tf.float32) / old
    reach = radius * tf.maximum(1.0, 1 / factor if antialias else 1.0) + 2
    low = tf.cast(tf.floor(tf.cast(start, tf.float32) / factor - reach), tf.int32)
    high = tf.cast(tf.math.ceil(tf.cast(stop, tf.float32) / factor + reach), tf.int32)
    low = tf.maximum(low, 0)
    high = tf.minimum(high, tf.shape(image)[:2])
    low = tf.minimum(low, high - 1)
    part = tf.cast(image[low[0] : high[0], low[1] : high[1]], tf.float32)
    found = tf.raw_ops.ScaleAndTranslate(
        images=part[None],
        size=tf.maximum(stop - start, 1),  # a window may show nothing of it
        scale=factor,
        translation=tf.cast(low, tf.float32) * factor - tf.cast(start, tf.float32),
        kernel_type=kernel,
        antialias=antialias,
    )[0]
    # Bicubic overshoots at edges.
    shown = stop - start
    found = tf.clip_by_value(found[: shown[0], : shown[1]], 0.0, 255.0)
    if image.dtype.is_integer:
        found = tf.round(found)
    return tf.cast(found, image.dtype)


def nearest(old, new, start, stop) -> tf.Tensor:
    """Positions, of `old`, of the pixels under the centres of start..stop - 1 of `new`.

    floor((i + 1/2) * old / new); integers make it exact for every size.
    """
    places = tf.cast(tf.range(start, stop), tf.int64)
    old, new = tf.cast(old, tf.int64), tf.cast(new, tf.int64)
    return (2 * places + 1) * old // (2 * new)


@functools.cache
def has_ops() -> bool:
    """Whether the custom ops can be had; says once why not."""
    reason = fused.unavailable()
    if reason:
        _log.warning("samples are made more slowly than they could be: %s", reason)
    return not reason
