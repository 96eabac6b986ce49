"""What an exported endpoint takes, asserted in its graph before it costs memory.

One number holds for all endpoints: the pixels of a request, pictures times height times
width of the largest, sides padded as the network pads them. Whatever a request breaks,
it alone fails: assertions answer with an error and keep nothing.
"""

import tensorflow as tf

from hyperseg_tf.base.encoded import (
    MOST_CHUNKS,
    MOST_SEGMENTS,
    is_deep,
    orientation_of,
    size_of,
    turned_sizes,
)
from hyperseg_tf.base.limit import Limit
from hyperseg_tf.base.pixels import DARKEST_OF_16_BITS


def checked_images(images: tf.Tensor, limit: Limit) -> tf.Tensor:
    """The same images, or an `InvalidArgumentError`.

    Args:
        images: (B, H, W, 3). What comes is looked at, too: a server compares it with
            the signature, a loaded function does not, and one channel would be
            broadcast to three.
    """
    images = tf.ensure_shape(images, (None, None, None, 3))
    shape = tf.shape(images, out_type=tf.int64)
    sizes = tf.repeat(shape[None, 1:3], tf.minimum(shape[0], 1), axis=0)
    fits = [_each_fits(sizes, limit), _all_fit(sizes, shape[0], limit)]
    with tf.control_dependencies(fits):
        return tf.identity(images)


def checked_encoded(encoded: tf.Tensor, limit: Limit):
    """The same pictures and what their headers say, or an `InvalidArgumentError`.

    Only what is returned may be decoded: it waits for the assertions, and nothing else
    does. A loop over pictures begins with those of its inputs that are there.

    Args:
        encoded: string (B,), PNG or JPEG files; nothing else is taken.

    Returns:
        string (B,); int32 (B, 2), height and width of each, turned as its EXIF says;
        int32 (B,), the EXIF orientation, 1..8.
    """
    spec = tf.TensorSpec((2,), tf.int64)
    sizes = tf.map_fn(size_of, encoded, fn_output_signature=spec)
    unknown = tf.reduce_any(sizes < 0, axis=1)
    known = _none(
        unknown,
        "picture {} of the request: a picture is a PNG or JPEG file: got something "
        "else; convert it.",
    )
    with tf.control_dependencies([known]):
        count = tf.size(encoded, out_type=tf.int64)
    # No frame is smaller than its largest picture, however that is turned: what does
    # not fit by this is not looked into any further.
    with tf.control_dependencies(
        [_each_fits(sizes, limit), _all_fit(sizes, count, limit)]
    ):
        encoded = tf.identity(encoded)
    orientations = tf.map_fn(
        orientation_of, encoded, fn_output_signature=tf.TensorSpec((), tf.int32)
    )
    found = _none(
        orientations < 1,
        f"picture {{}} of the request: EXIF is looked for in {MOST_SEGMENTS:,} "
        f"segments of a JPEG or {MOST_CHUNKS:,} chunks of a PNG: got more; save it "
        "anew.",
    )
    sizes = turned_sizes(sizes, orientations)
    with tf.control_dependencies([found, _all_fit(_frame(sizes), count, limit)]):
        return tf.identity(encoded), tf.cast(sizes, tf.int32), orientations


def checked_depth(image: tf.Tensor, encoded: tf.Tensor) -> tf.Tensor:
    """The same picture, or an `InvalidArgumentError` for 12 bits or fewer in 16.

    Args:
        image: uint8 (H, W, 3), decoded: of 16 bits the upper 8.
        encoded: string (), what it was decoded from.
    """
    dark = tf.reduce_max(image) < DARKEST_OF_16_BITS
    told = tf.debugging.Assert(
        ~(is_deep(encoded) & dark),
        [
            "of 16 bits per channel the upper 8 are used, and a picture of the request "
            f"has no value of {DARKEST_OF_16_BITS} or more there, as of 12 bits in 16; "
            "multiply its values to fill the range."
        ],
    )
    with tf.control_dependencies([told]):
        return tf.identity(image)


def checked_confidence(confidence: tf.Tensor) -> tf.Tensor:
    """The same values, or an `InvalidArgumentError`: NaN where a logit is not finite.

    Args:
        confidence: (B, H, W), `exp(max - logsumexp)` over the logits.
    """
    finite = tf.debugging.Assert(
        tf.reduce_all(tf.math.is_finite(confidence)),
        ["logits must be finite: the model gives infinite or undefined ones."],
    )
    with tf.control_dependencies([finite]):
        return tf.identity(confidence)


def _each_fits(sizes: tf.Tensor, limit: Limit):
    """That every one of `sizes`, int64 (N, 2), is allowed."""
    too_large = tf.reduce_any((sizes < 1) | (sizes > limit.side), axis=1)
    too_large |= _pixels(sizes, limit) > limit.pixels
    return _none(
        too_large,
        f"picture {{}} of the request: a picture may have {limit}: got "
        "(height, width) {}; shrink it, or export with another --max-pixels.",
        sizes,
    )


def _all_fit(sizes: tf.Tensor, count: tf.Tensor, limit: Limit):
    """That so many pictures of the largest of `sizes`, int64 (N, 2), are allowed."""
    sizes = tf.pad(sizes, [[0, 1], [0, 0]])  # 0 for a request without pictures
    pixels = _pixels(sizes, limit)
    return tf.debugging.Assert(
        count * tf.reduce_max(pixels) <= limit.pixels,
        [
            tf.strings.format(
                f"a request may have {limit}, pictures times the largest height times "
                "the largest width: got {} of {}; send fewer at once.",
                (count, sizes[tf.argmax(pixels)]),
            )
        ],
    )


def _pixels(sizes: tf.Tensor, limit: Limit) -> tf.Tensor:
    # A PNG may say 2**32 - 1; the product of two such sides would overflow.
    sides = tf.minimum(sizes, limit.side + 1)
    return limit.padded(sides[:, 0], sides[:, 1])


def _frame(sizes: tf.Tensor) -> tf.Tensor:
    """The largest height and the largest width, int64 (1, 2), 0 where there is none."""
    return tf.reduce_max(tf.pad(sizes, [[0, 1], [0, 0]]), axis=0, keepdims=True)


def _none(bad: tf.Tensor, message: str, values: tf.Tensor | None = None):
    """That `bad`, bool (N,), holds nothing; else the message for the first."""
    # One more at the end, so that there is a first of none, too.
    index = tf.argmax(tf.cast(tf.pad(bad, [[0, 1]], constant_values=True), tf.int32))
    told = (index,)
    if values is not None:
        told += (tf.pad(values, [[0, 1], [0, 0]])[index],)
    text = tf.strings.format(message, told)
    return tf.debugging.Assert(~tf.reduce_any(bad), [text])
