"""Keras' preprocessing layers as transforms.

A layer of Keras draws from a generator with a state, fills the mask with the image's
colour, and may forget the mask or blend its numbers. Here all its draws follow from the
sample's seed, what it fills is void, and a layer that treats a mask wrongly is refused
when it is given, by its name or by what it does to a trial picture.
"""

from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hyperseg_tf.base.constants import VOID
from pipelines.transforms.transform import Tensors, as_type

_WRONG = {
    "MixUp": "it blends two pictures and their label numbers",
    "CutMix": "it needs a batch; pipelines.CutMix does not",
    "AugMix": "it blends turned and unturned pictures and leaves the label",
    "RandomErasing": "it leaves the label alone; pipelines.Cutout does not",
    "RandomCrop": "it blends label numbers where the picture is smaller; "
    "pipelines.RandomCrop does not",
    "RandAugment": "it hides which layers it calls; give these",
}
_TRIALS = 4


@dataclass(frozen=True)
class KerasLayer:
    """A preprocessing layer of Keras 3 that changes image and label in step.

    Args:
        layer: Such as `keras.layers.RandomShear(0.1)`; where it is asked for a range of
            values, that is 0..255. What it fills by `fill_mode="constant"` is void.
    """

    layer: Any

    def __post_init__(self):
        kind = type(self.layer).__name__
        base = keras.layers.RandomFlip.__mro__[1]
        if not isinstance(self.layer, base):
            raise ValueError(
                "KerasLayer takes an image preprocessing layer of Keras 3: got "
                f"{kind}; write a transform, a function of sample and seed."
            )
        if kind in _WRONG:
            raise ValueError(f"KerasLayer cannot use {kind}: {_WRONG[kind]}.")
        if self.layer.compute_dtype != "float32":
            raise ValueError(
                f"KerasLayer takes layers of float32: {kind} computes in "
                f'{self.layer.compute_dtype}; give it dtype="float32".'
            )
        with tf.init_scope():
            self._try_out(kind)

    def __call__(self, sample: Tensors, seed: tf.Tensor) -> Tensors:
        """Sample of the size that the layer makes."""
        image, label = sample["image"], sample["label"]
        fill = self._fill
        # Numbers beyond the one that the layer fills with, which then means void.
        numbers = tf.cast(label, tf.float32) + (fill + 1)
        numbers = tf.where(label == VOID, fill, numbers)[..., None]
        with _drawing_from(self.layer, seed):
            out = self.layer(
                {"images": tf.cast(image, tf.float32), "segmentation_masks": numbers},
                training=True,
            )
        found = tf.round(out["segmentation_masks"][..., 0] - fill)
        found = tf.where(found == 0, float(VOID), found - 1)
        return {
            **sample,
            "image": as_type(tf.cast(out["images"], tf.float32), image.dtype),
            "label": tf.cast(found, label.dtype),
        }

    @property
    def _fill(self) -> float:
        """What the layer fills with; any number, where it does not."""
        fill = getattr(self.layer, "fill_value", 0.0)
        return float(fill) if isinstance(fill, int | float) else 0.0

    def _try_out(self, kind: str) -> None:
        """A picture of one colour, the one that is filled with, and two classes."""
        label = np.full((24, 32), 3, np.uint8)
        label[:, ::3] = 200
        image = np.full((24, 32, 3), self._fill, np.float32)
        for n in range(_TRIALS):
            sample = {"image": tf.constant(image), "label": tf.constant(label)}
            try:
                out = self(sample, tf.constant([n, 7], tf.int32))
            except Exception as error:  # anybody's code
                raise ValueError(
                    f"KerasLayer needs a layer that takes a picture with its label: "
                    f"{kind} fails, {type(error).__name__}: {error}"
                ) from error
            numbers = set(np.unique(out["label"])) - {3, 200, VOID}
            if numbers:
                raise ValueError(
                    f"KerasLayer needs a layer that keeps label numbers: {kind} makes "
                    f"{sorted(numbers)} of 3 and 200."
                )
            if np.ptp(out["image"].numpy(), axis=(0, 1)).max() > 1:
                raise ValueError(
                    f"KerasLayer needs a layer that changes the label with the image: "
                    f"{kind} changes a part of a picture of one colour."
                )


class _Seeds(keras.random.SeedGenerator):
    """Draws from one seed, without a state that outlives it."""

    def __init__(self, seed: tf.Tensor):
        # The base would make a variable.
        self._sample_seed = tf.cast(seed, tf.int32)
        self._count = 0

    def next(self, ordered: bool = True) -> tf.Tensor:
        self._count += 1
        return tf.random.experimental.stateless_fold_in(self._sample_seed, self._count)


@contextmanager
def _drawing_from(layer: keras.layers.Layer, seed: tf.Tensor):
    """While a graph is traced, the layer and those in it draw from `seed`."""
    seeds = _Seeds(seed)
    layers = list(layer._flatten_layers())
    for one in layers:
        object.__setattr__(one, "_get_seed_generator", lambda backend=None: seeds)
    try:
        yield
    finally:
        for one in layers:
            object.__delattr__(one, "_get_seed_generator")
