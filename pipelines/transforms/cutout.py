"""A part of the picture taken away."""

from dataclasses import dataclass

import tensorflow as tf

from hyperseg_tf.base.constants import VOID
from hyperseg_tf.pipelines.transforms.transform import (
    Colour,
    Tensors,
    check_colour,
    check_probability,
    check_range,
    colour_of,
)


@dataclass(frozen=True)
class Cutout:
    """Cover a rectangle of the image with a colour; its label becomes void.

    The rectangle has `minimum`..`maximum` of the picture's area, the picture's
    proportions stretched by up to `stretch` either way, and an even random place.

    Args:
        minimum: Smallest share of the area.
        maximum: Largest share of the area.
        p: Probability of covering anything.
        stretch: Largest factor between the proportions of both, at least 1.
        fill: RGB 0..255; None is ImageNet's mean colour.
        keep_label: Leave the label as it is: what is covered is to be guessed.
    """

    minimum: float = 0.02
    maximum: float = 0.2
    p: float = 0.5
    stretch: float = 2.0
    fill: Colour | None = None
    keep_label: bool = False

    def __post_init__(self):
        check_range(self, 0, 1)
        check_probability(self)
        check_colour(self)
        if not self.stretch >= 1:
            raise ValueError(f"Cutout needs stretch >= 1: got {self.stretch}.")

    def __call__(self, sample: Tensors, seed: tf.Tensor) -> Tensors:
        """Sample of the same size."""
        image, label = sample["image"], sample["label"]
        draws = tf.random.stateless_uniform((5,), seed)
        share = self.minimum + draws[1] * (self.maximum - self.minimum)
        factor = tf.cast(self.stretch, tf.float32) ** (2 * draws[2] - 1)
        inside = rectangle(tf.shape(label), share * factor, share / factor, draws[3:])
        inside &= draws[0] < self.p
        fill = colour_of(self.fill, image.dtype)
        image = tf.where(inside[..., None], fill, image)
        if not self.keep_label:
            label = tf.where(inside, tf.constant(VOID, label.dtype), label)
        return {**sample, "image": image, "label": label}


def rectangle(size: tf.Tensor, tall: tf.Tensor, wide: tf.Tensor, draws: tf.Tensor):
    """(H, W) bool, true in a rectangle at an even random place.

    Args:
        size: (2,) int32, H and W.
        tall: Square of the share of the height, at most 1 counts.
        wide: Square of the share of the width; as above.
        draws: (2,) float32 of 0..1, which say where it is.
    """
    shares = tf.sqrt(tf.minimum(tf.stack([tall, wide]), 1.0))
    sides = tf.cast(tf.round(tf.cast(size, tf.float32) * shares), tf.int32)
    room = size - sides
    first = tf.cast(draws * tf.cast(room + 1, tf.float32), tf.int32)
    first = tf.minimum(first, room)
    rows, columns = (
        (tf.range(size[i]) >= first[i]) & (tf.range(size[i]) < first[i] + sides[i])
        for i in (0, 1)
    )
    return rows[:, None] & columns[None]
