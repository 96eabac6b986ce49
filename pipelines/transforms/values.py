"""What changes values and moves no pixel."""

from dataclasses import dataclass

import tensorflow as tf

from hyperseg_tf.base import pixels
from hyperseg_tf.base.constants import VOID
from hyperseg_tf.ops.normalise_bytes import normalise_bytes
from hyperseg_tf.pipelines.transforms.transform import Tensors


@dataclass(frozen=True)
class VoidToClass:
    """Make void pixels a class of their own, to be learnt and counted.

    Put it first: void that later transforms pad with then stays ignored.
    """

    index: int

    def __call__(self, sample: Tensors, seed: tf.Tensor) -> Tensors:
        """Sample of the same size; label `index` where it was 255."""
        label = sample["label"]
        index = tf.constant(self.index, label.dtype)
        return {**sample, "label": tf.where(label == VOID, index, label)}


@dataclass(frozen=True)
class Normalise:
    """(image / 255 - mean) / deviation of ImageNet, per channel, as float32."""

    def __call__(self, sample: Tensors, seed: tf.Tensor) -> Tensors:
        """Sample of the same size; `seed` is not used."""
        return {**sample, "image": normalised(sample["image"])}


def normalised(images: tf.Tensor) -> tf.Tensor:
    """Images (..., W, 3) of 0..255 as the network takes them, float32."""
    if images.dtype == tf.uint8:
        return normalise_bytes(images)
    return pixels.normalise(tf.cast(images, tf.float32))
