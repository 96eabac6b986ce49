"""Keras' and keras-cv's preprocessing layers as transforms.

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
from hyperseg_tf.pipelines.transforms import keras_cv_layer
from hyperseg_tf.pipelines.transforms.keras_cv_layer import is_keras_cv
from hyperseg_tf.pipelines.transforms.transform import Tensors, as_type

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
    """A layer of Keras 3 or keras-cv that changes image and label in step.

    Args:
        layer: Such as `keras.layers.RandomShear(0.1)` or
            `keras_cv.layers.RandomRotation(0.1)`; where it is asked for a range of
            values, that is 0..255. What it fills by `fill_mode="constant"` is void.

    Raises:
        ValueError: It is another kind of layer, blends label numbers, leaves the label
            alone, or draws from a state of its own.
    """

    layer: Any

    def __post_init__(self):
        kind = type(self.layer).__name__
        base = keras.layers.RandomFlip.__mro__[1]
        if not isinstance(self.layer, base) and not is_keras_cv(self.layer):
            raise ValueError(
                "KerasLayer takes an image preprocessing layer of Keras 3 or keras-cv: "
                f"got {kind}; write a transform, a function of sample and seed."
            )
        wrong = _WRONG | (keras_cv_layer.WRONG if is_keras_cv(self.layer) else {})
        for inner in self.layer._flatten_layers():
            name = type(inner).__name__
            if name in wrong:
                raise ValueError(f"KerasLayer cannot use {name}: {wrong[name]}.")
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
        out = self._changed(tf.cast(image, tf.float32), numbers, seed)
        found = tf.round(out["segmentation_masks"][..., 0] - fill)
        found = tf.where(found == 0, float(VOID), found - 1)
        return {
            **sample,
            "image": as_type(tf.cast(out["images"], tf.float32), image.dtype),
            "label": tf.cast(found, label.dtype),
        }

    def _changed(self, image: tf.Tensor, numbers: tf.Tensor, seed: tf.Tensor):
        """What the layer makes of image (H, W, 3) and numbers (H, W, 1), float32."""
        inputs = {"images": image, "segmentation_masks": numbers}
        if not is_keras_cv(self.layer):
            with _drawing_from(self.layer, seed):
                return self.layer(inputs, training=True)
        inputs["segmentation_masks"] = tf.repeat(numbers, keras_cv_layer.CHANNELS, -1)
        fold = tf.random.experimental.stateless_fold_in
        with keras_cv_layer.drawing(
            self.layer,
            lambda number: _Seeds(fold(tf.cast(seed, tf.int32), number)).next,
        ):
            return self.layer(inputs)

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
        sample = {"image": tf.constant(image), "label": tf.constant(label)}
        # As training calls it; a layer may run outside of a graph only.
        traced = tf.function(self.__call__, autograph=False)
        for n in range(_TRIALS):
            try:
                out = traced(sample, tf.constant([n, 7], tf.int32))
            except Exception as error:  # anybody's code
                said = "".join(filter(str.isprintable, " ".join(str(error).split())))
                raise ValueError(
                    f"KerasLayer needs a layer that takes a picture with its label: "
                    f"{kind} fails, {type(error).__name__}: {said}"
                ) from error
            numbers = set(np.unique(out["label"])) - {3, 200, VOID}
            if numbers:
                raise ValueError(
                    f"KerasLayer needs a layer that keeps label numbers: {kind} makes "
                    f"{sorted(numbers)} of 3 and 200."
                )
            again = traced(sample, tf.constant([n, 7], tf.int32))
            if any((again[key].numpy() != out[key].numpy()).any() for key in out):
                raise ValueError(
                    f"KerasLayer needs a layer whose draws follow from a seed: {kind} "
                    "makes two things of the same picture and seed."
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
