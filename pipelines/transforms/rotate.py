"""A turn around the centre of the picture."""

from dataclasses import dataclass
from math import pi

import tensorflow as tf

from hyperseg_tf.base.constants import VOID
from hyperseg_tf.pipelines.transforms.transform import (
    Colour,
    Tensors,
    as_type,
    check_colour,
    check_method,
    check_probability,
    colour_of,
)

_METHODS = ("bicubic", "bilinear")


@dataclass(frozen=True)
class RandomRotate:
    """Turn by an angle drawn evenly from -degrees..degrees; the size stays.

    The label takes the nearest pixel. Values are Pillow's, whose bicubic kernel is the
    sharper one (-1) when it turns. Published for VOC: 30 degrees, bicubic, the corners
    (0, 0, 0) and, by a slip, the label there `0`, background.

    Args:
        degrees: Largest angle, counter-clockwise and clockwise.
        p: Probability of turning at all.
        method: "bicubic" or "bilinear", of the image.
        fill: Colour of the corners, RGB 0..255; None is ImageNet's mean colour.
        label_fill: Label of the corners; void unless said otherwise.
    """

    degrees: float
    p: float = 1.0
    method: str = "bicubic"
    fill: Colour | None = None
    label_fill: int = VOID

    def __post_init__(self):
        if not 0 <= self.degrees <= 180:
            raise ValueError(
                f"RandomRotate needs degrees of 0..180: got {self.degrees}."
            )
        if not 0 <= self.label_fill <= 255:
            raise ValueError(
                f"RandomRotate needs a label_fill of 0..255: got {self.label_fill}."
            )
        check_probability(self)
        check_method(self, _METHODS)
        check_colour(self)

    def __call__(self, sample: Tensors, seed: tf.Tensor) -> Tensors:
        """Sample of the same size."""
        draws = tf.random.stateless_uniform((2,), seed)
        angle = (2 * draws[1] - 1) * self.degrees
        image, label = sample["image"], sample["label"]
        found = tf.cond(
            draws[0] < self.p,
            lambda: self.turn(image, label, angle),
            lambda: (image, label),
        )
        image = tf.ensure_shape(found[0], image.shape)
        return {
            **sample,
            "image": image,
            "label": tf.ensure_shape(found[1], label.shape),
        }

    def turn(
        self, image: tf.Tensor, label: tf.Tensor, angle: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Image and label turned counter-clockwise by an angle in degrees."""
        size = tf.shape(label)
        y, x = _places(size, angle)
        height, width = (tf.cast(size[i], tf.float32) for i in (0, 1))
        inside = (y >= 0) & (x >= 0) & (y < height) & (x < width)
        pixels = tf.reshape(image, (-1, 3))
        values = _resample(pixels, size, y - 0.5, x - 0.5, self.method)
        image = tf.where(
            inside[..., None],
            as_type(values, image.dtype),
            colour_of(self.fill, image.dtype),
        )
        nearest = _at(size, tf.floor(y), tf.floor(x))
        turned = tf.gather(tf.reshape(label, [-1]), nearest)
        fill = tf.constant(self.label_fill, label.dtype)
        return image, tf.where(inside, turned, fill)


def _places(size: tf.Tensor, angle: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Where each pixel's centre was before the turn: rows, columns, (H, W) float32."""
    radians = angle * (pi / 180)
    cosine, sine = tf.cos(radians), tf.sin(radians)
    middle = tf.cast(size, tf.float32) / 2
    y = tf.range(size[0])[:, None]
    x = tf.range(size[1])[None]
    y, x = tf.cast(y, tf.float32) + 0.5, tf.cast(x, tf.float32) + 0.5
    y, x = y - middle[0], x - middle[1]
    return sine * x + cosine * y + middle[0], cosine * x - sine * y + middle[1]


def _resample(pixels: tf.Tensor, size, y, x, method: str) -> tf.Tensor:
    """(H, W, 3) float32 at these places; beyond the border the border's pixels."""
    top, left = tf.floor(y), tf.floor(x)
    rows, columns = _weights(y - top, method), _weights(x - left, method)
    first = -1 if method == "bicubic" else 0
    found = 0.0
    for i, row in enumerate(rows, first):
        line = 0.0
        for j, column in enumerate(columns, first):
            here = tf.gather(pixels, _at(size, top + i, left + j))
            line += column[..., None] * tf.cast(here, tf.float32)
        found += row[..., None] * line
    return found


def _weights(t: tf.Tensor, method: str) -> tuple[tf.Tensor, ...]:
    """Of the pixels around a place at `t` of the way between two of them."""
    if method == "bilinear":
        return 1 - t, t
    return (
        t * (-1 + t * (2 - t)),
        1 + t * t * (t - 2),
        t * (1 + t * (1 - t)),
        t * t * (t - 1),
    )


def _at(size: tf.Tensor, y: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """Positions in the flat picture of pixels, or of the border's next to them."""
    row = tf.clip_by_value(tf.cast(y, tf.int32), 0, size[0] - 1)
    column = tf.clip_by_value(tf.cast(x, tf.int32), 0, size[1] - 1)
    return row * size[1] + column
