"""What cameras and files do to a picture: blur, and the artefacts of JPEG."""

from dataclasses import dataclass
from math import ceil

import tensorflow as tf

from hyperseg_tf.pipelines.transforms.transform import (
    Tensors,
    as_type,
    check_probability,
    check_range,
    within,
)

# Of a normal distribution, 99.7 % lie within.
_DEVIATIONS = 3


@dataclass(frozen=True)
class RandomBlur:
    """Gaussian blur with a deviation of `minimum`..`maximum` pixels.

    Cut off at 3 of the largest deviations; at the border the pixels that are there
    count for those that are not.
    """

    minimum: float = 0.1
    maximum: float = 2.0
    p: float = 0.5

    def __post_init__(self):
        check_range(self, 0, 20, " pixels")
        if not self.minimum > 0:
            raise ValueError(f"RandomBlur needs minimum > 0: got {self.minimum}.")
        check_probability(self)

    def __call__(self, sample: Tensors, seed: tf.Tensor) -> Tensors:
        """Sample of the same size; the label stays."""
        decides, deviation = within(seed, self.minimum, self.maximum)
        image = sample["image"]
        blurred = tf.cond(
            decides < self.p, lambda: self._blur(image, deviation), lambda: image
        )
        return {**sample, "image": tf.ensure_shape(blurred, image.shape)}

    def _blur(self, image: tf.Tensor, deviation: tf.Tensor) -> tf.Tensor:
        reach = ceil(_DEVIATIONS * self.maximum)
        places = tf.range(-reach, reach + 1, dtype=tf.float32)
        weights = tf.exp(-0.5 * (places / deviation) ** 2)
        found = tf.cast(image, tf.float32)[None]
        there = tf.ones_like(found[..., :1])
        for shape in ((-1, 1, 1, 1), (1, -1, 1, 1)):
            kernel = tf.reshape(weights, shape)
            found = _conv(found, tf.tile(kernel, (1, 1, 3, 1)))
            there = _conv(there, kernel)
        return as_type((found / there)[0], image.dtype)


def _conv(image: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    return tf.nn.depthwise_conv2d(image, kernel, (1, 1, 1, 1), "SAME")


@dataclass(frozen=True)
class RandomJpeg:
    """Save as JPEG with a quality of `minimum`..`maximum` and read it again.

    A float image is rounded to bytes for it.
    """

    minimum: int = 30
    maximum: int = 95
    p: float = 0.5

    def __post_init__(self):
        check_range(self, 1, 100)
        check_probability(self)

    def __call__(self, sample: Tensors, seed: tf.Tensor) -> Tensors:
        """Sample of the same size; the label stays."""
        decides, quality = within(seed, self.minimum, self.maximum + 1)
        quality = tf.minimum(tf.cast(quality, tf.int32), self.maximum)
        image = sample["image"]
        found = tf.cond(
            decides < self.p, lambda: self._again(image, quality), lambda: image
        )
        return {**sample, "image": tf.ensure_shape(found, image.shape)}

    def _again(self, image: tf.Tensor, quality: tf.Tensor) -> tf.Tensor:
        contents = tf.raw_ops.EncodeJpegVariableQuality(
            images=as_type(tf.cast(image, tf.float32), tf.uint8), quality=quality
        )
        found = tf.io.decode_jpeg(contents, 3, dct_method="INTEGER_ACCURATE")
        return tf.cast(found, image.dtype)
