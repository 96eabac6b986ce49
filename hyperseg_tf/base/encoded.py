"""Encoded pictures in TensorFlow's operations: their size, which way up, their pixels.

What the decoders look at is looked at: a PNG's first chunk, and of a JPEG the header
as the very library that decodes it reads it. So there is no file that is small here and
large there. Orientation is that of `base/orientation.py`. Needs TensorFlow; import it
where a graph is made.
"""

import numpy as np
import tensorflow as tf

from hyperseg_tf.base import orientation as rule

# The PNG signature and the length and type of its first chunk; width and height follow.
_PNG = np.frombuffer(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", np.uint8)
_SIGNATURE_BYTES = 8
_JPEG = np.frombuffer(b"\xff\xd8\xff", np.uint8)
_HEAD_BYTES = 24
_DEPTH = 24  # the byte behind them: bits per channel

# How far orientation is looked for. Cameras write tens of segments; 4 million pixels of
# 64 bits are some 4,000 chunks of 8 KiB, the smallest that is usual.
MOST_SEGMENTS = 1_000
MOST_CHUNKS = 10_000

_FILL, _START_OF_SCAN, _APP1 = 0xFFFF, 0xFFDA, 0xFFE1
# Markers that nothing follows: FF00, which is no marker, restarts, begin and end.
_BARE = (0xFF00, *range(0xFFD0, 0xFFDA))


def decode_rgb(contents: tf.Tensor) -> tf.Tensor:
    """PNG or JPEG, string (), to uint8 (H, W, 3) as stored: nothing is turned.

    Grey is repeated, alpha dropped, of 16 bits the upper 8 are kept. The pixels are
    those of Pillow, so training, prediction and exports see the same.
    """
    # This op takes PNG too. TensorFlow's default, the fast DCT, is less exact.
    image = tf.io.decode_jpeg(contents, channels=3, dct_method="INTEGER_ACCURATE")
    return tf.ensure_shape(image, (None, None, 3))


def size_of(contents: tf.Tensor) -> tf.Tensor:
    """Height and width that a PNG or JPEG says it has, before it is turned.

    A JPEG whose header is damaged is an `InvalidArgumentError`, as in decoding.

    Args:
        contents: string (), a whole file.

    Returns:
        int64 (2,), up to 2**32 - 1; -1 and -1 for anything else.
    """
    head = _bytes_at(contents, 0, _HEAD_BYTES)
    return tf.cond(
        tf.reduce_all(head[: len(_JPEG)] == _JPEG),
        lambda: tf.io.extract_jpeg_shape(contents, tf.int64)[:2],
        lambda: _png_size(head),
    )


def is_deep(contents: tf.Tensor) -> tf.Tensor:
    """Whether a picture, string (), is a PNG of 16 bits per channel: bool ()."""
    head = _bytes_at(contents, 0, _DEPTH + 1)
    return tf.reduce_all(head[: len(_PNG)] == _PNG) & (head[_DEPTH] == 16)


def orientation_of(contents: tf.Tensor) -> tf.Tensor:
    """The EXIF orientation of a PNG or JPEG: int32 (), 1..8.

    Whatever lengths a file says it has, every step goes forward, and
    there are at most `MOST_SEGMENTS` or `MOST_CHUNKS`: where these do not lead to the
    EXIF or the pixels of a JPEG, or to the end of a PNG, the answer is 0.

    Args:
        contents: string (), a whole file; of anything else the answer means nothing.
    """
    # Every step is a handful of small numbers, which no other device should see.
    with tf.device("CPU:0"):
        is_png = tf.strings.substr(contents, 0, 1) == _PNG[:1].tobytes()
        start, length, done = tf.cond(
            is_png, lambda: _png_exif(contents), lambda: _jpeg_exif(contents)
        )
        exif = tf.strings.substr(contents, start, length)
        return tf.where(done, _orientation_in(exif), 0)


def turned(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """A picture (H, W, C) the way up that an orientation, int32 (), says."""
    image = tf.cond(
        orientation >= rule.FIRST_SIDEWAYS,
        lambda: tf.transpose(image, (1, 0, 2)),
        lambda: image,
    )
    flips = [_is_any(orientation, (3, 4, 7, 8)), _is_any(orientation, (2, 3, 6, 7))]
    for axis, flip in enumerate(flips):
        image = tf.cond(
            flip, lambda x=image, a=axis: tf.reverse(x, [a]), lambda x=image: x
        )
    return image


def turned_sizes(sizes: tf.Tensor, orientations: tf.Tensor) -> tf.Tensor:
    """Heights and widths (N, 2) of pictures once they are turned by int32 (N,)."""
    sideways = orientations[:, None] >= rule.FIRST_SIDEWAYS
    return tf.where(sideways, sizes[:, ::-1], sizes)


def _png_size(head: tf.Tensor) -> tf.Tensor:
    width_height = _numbers(tf.reshape(head[len(_PNG) :], (2, 4)), big=True)
    is_png = tf.reduce_all(head[: len(_PNG)] == _PNG)
    return tf.where(is_png, width_height[::-1], -1)


def _jpeg_exif(contents: tf.Tensor):
    """Start, length, int64 (), and whether the walk came to an end, of the first EXIF.

    From marker to marker as Pillow goes, up to the first scan.
    """
    size = tf.cast(tf.strings.length(contents), tf.int64)

    def step(at, start, length, done):
        head = _bytes_at(contents, at, 4 + len(rule.PREFIX))
        marker = _number(head[:2], big=True)
        # The length counts its own two bytes.
        said = tf.maximum(_number(head[2:4], big=True), 2)
        prefix = np.frombuffer(rule.PREFIX, np.uint8)
        is_exif = (marker == _APP1) & tf.reduce_all(head[4:] == prefix)
        is_exif &= said >= 2 + len(rule.PREFIX)
        no_marker = (head[0] != 0xFF) | (marker == _FILL)
        bare = _is_any(marker, _BARE)
        end = tf.where(no_marker, at + 1, tf.where(bare, at + 2, at + 2 + said))
        first = at + 4 + len(rule.PREFIX)
        return (
            tf.minimum(end, size),
            tf.where(is_exif, tf.minimum(first, size), start),
            tf.where(is_exif, said - 2 - len(rule.PREFIX), length),
            is_exif | (marker == _START_OF_SCAN) | (end >= size),
        )

    return _walk(step, tf.minimum(size, 2), MOST_SEGMENTS)


def _png_exif(contents: tf.Tensor):
    """As `_jpeg_exif`, of the last eXIf chunk, up to the end or the second frame."""
    size = tf.cast(tf.strings.length(contents), tf.int64)

    def step(at, start, length, done):
        head = _bytes_at(contents, at, 8)
        said, kind = _number(head[:4], big=True), _number(head[4:], big=True)
        is_exif = kind == _name(b"eXIf")
        # A frame in front of the pixels is the picture itself.
        ended = (kind == _name(b"IEND")) | (kind == _name(b"fdAT"))
        end = at + 12 + said
        return (
            tf.minimum(end, size),
            tf.where(is_exif, tf.minimum(at + 8, size), start),
            tf.where(is_exif, said, length),
            ended | (end >= size),
        )

    return _walk(step, tf.minimum(size, _SIGNATURE_BYTES), MOST_CHUNKS)


def _walk(step, first: tf.Tensor, most: int):
    zero = tf.constant(0, tf.int64)
    _, start, length, done = tf.while_loop(
        lambda at, start, length, done: ~done,
        step,
        (first, zero, zero, tf.constant(False)),
        maximum_iterations=most,
    )
    return start, length, done


def _orientation_in(exif: tf.Tensor) -> tf.Tensor:
    """`base.orientation.orientation_in` for a string (): int32 ()."""
    prefixed = tf.strings.substr(exif, 0, len(rule.PREFIX)) == rule.PREFIX
    exif = tf.strings.substr(exif, tf.where(prefixed, len(rule.PREFIX), 0), -1)
    size = tf.cast(tf.strings.length(exif), tf.int64)
    order = tf.strings.substr(exif, 0, 4)
    big = order == rule.BIG_ENDIAN
    start = _number(_bytes_at(exif, tf.minimum(size, 4), 4), big)
    start = tf.minimum(start, size)
    count = _number(_bytes_at(exif, start, 2), big)
    count = tf.minimum(count, tf.maximum(size - start - 2, 0) // rule.ENTRY_BYTES)
    entries = tf.strings.substr(
        exif, tf.minimum(start + 2, size), count * rule.ENTRY_BYTES
    )
    entries = tf.reshape(tf.io.decode_raw(entries, tf.uint8), (-1, rule.ENTRY_BYTES))
    tag, kind = _numbers(entries[:, :2], big), _numbers(entries[:, 2:4], big)
    fits = (tag == rule.TAG) & _is_any(kind, (rule.SHORT, rule.LONG))
    fits &= _numbers(entries[:, 4:8], big) == 1
    short, long = _numbers(entries[:, 8:10], big), _numbers(entries[:, 8:], big)
    values = tf.boolean_mask(tf.where(kind == rule.SHORT, short, long), fits)
    # One more, for where there is none.
    value = tf.concat([values, [rule.UPRIGHT]], 0)[0]
    known = (big | (order == rule.LITTLE_ENDIAN)) & (size >= 8)
    value = tf.where(known & (value >= 1) & (value <= 8), value, rule.UPRIGHT)
    return tf.cast(value, tf.int32)


def _bytes_at(contents: tf.Tensor, at, count: int) -> tf.Tensor:
    """`count` bytes of a string () from `at`, not behind its end, uint8, 0 beyond."""
    part = tf.strings.substr(contents, at, count)
    return tf.reshape(tf.io.decode_raw(part, tf.uint8, fixed_length=count), (count,))


def _number(digits: tf.Tensor, big) -> tf.Tensor:
    return _numbers(digits[None], big)[0]


def _numbers(digits: tf.Tensor, big) -> tf.Tensor:
    """Rows of bytes, uint8 (N, n), as int64 (N,), in either order."""
    weights = 256 ** np.arange(digits.shape[-1], dtype=np.int64)
    if big is True:
        weights = weights[::-1]
    else:
        weights = tf.where(big, weights[::-1].copy(), weights)
    return tf.reduce_sum(tf.cast(digits, tf.int64) * weights, axis=-1)


def _name(kind: bytes) -> int:
    return int.from_bytes(kind, "big")


def _is_any(value: tf.Tensor, of: tuple[int, ...]) -> tf.Tensor:
    return tf.reduce_any(value[..., None] == tf.constant(of, value.dtype), axis=-1)
