"""keras-cv's preprocessing layers, as `KerasLayer` calls them.

They draw from generators of TensorFlow that have a state, and from samplers of their
own. While one is called, all of it is replaced by draws that follow from a sample's
seed. keras-cv is never imported here: who gives such a layer has done that.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import keras
import tensorflow as tf

# What the trial of `KerasLayer` would only say in other words.
WRONG = {
    "FourierMix": "it blends two pictures and their label numbers",
    "Mosaic": "it needs a batch",
    "RepeatedAugmentation": "it makes a batch of a picture",
    "RandomCutout": "it leaves the label alone; pipelines.Cutout does not",
    "GridMask": "it leaves the label alone; pipelines.Cutout does not",
}

# A rotation takes a mask of several channels, or one of few classes.
CHANNELS = 2

Draw = Callable[[], tf.Tensor]


def is_keras_cv(layer: Any) -> bool:
    """Whether it is one of keras-cv's layers for pictures, or a user's kind of it."""
    keras_cv = sys.modules.get("keras_cv")
    if keras_cv is None:
        return False
    layers = keras_cv.layers
    bases = (
        layers.BaseImageAugmentationLayer,
        layers.VectorizedBaseImageAugmentationLayer,
    )
    return isinstance(layer, bases)


@contextmanager
def drawing(
    layer: keras.layers.Layer, seeds_of: Callable[[int], Draw]
) -> Iterator[None]:
    """While a graph is traced, the layer and those in it draw from seeds.

    Args:
        seeds_of: Of the number of a layer, a function that gives another seed, int32
            (2,), at every call. Each has its own: a layer that is not chosen draws in
            a graph, which has both branches, and not without one.
    """
    samplers = sys.modules["keras_cv"].core
    with ExitStack() as stack:
        for number, one in enumerate(layer._flatten_layers()):
            next_seed = seeds_of(number)
            changes = {"_random_generator": _Generator(next_seed)}
            for name, value in vars(one).items():
                if isinstance(value, samplers.UniformFactorSampler):
                    changes[name] = _uniform(value, next_seed)
                elif isinstance(value, samplers.NormalFactorSampler):
                    changes[name] = _normal(value, next_seed)
            kind = type(one).__name__
            if kind == "RandomApply":
                changes["_augment"] = _by_condition(one)
            if kind == "RandomRotation":
                changes["segmentation_classes"] = None
                changes["augment_segmentation_masks"] = _by_nearest(one)
            for name, value in changes.items():
                stack.enter_context(_replaced(one, name, value))
        yield


class _Generator:
    """What a `tf.random.Generator` is asked for, without its state."""

    def __init__(self, next_seed: Draw):
        self._next_seed = next_seed

    def uniform(self, shape, minval=0, maxval=None, dtype=tf.float32, name=None):
        """As of `tf.random.Generator`."""
        maxval = 1 if maxval is None else maxval
        seed = self._next_seed()
        return tf.random.stateless_uniform(shape, seed, minval, maxval, dtype, name)

    def normal(self, shape, mean=0.0, stddev=1.0, dtype=tf.float32, name=None):
        """As of `tf.random.Generator`."""
        seed = self._next_seed()
        return tf.random.stateless_normal(shape, seed, mean, stddev, dtype, name)


def _uniform(sampler: Any, next_seed: Draw):
    draw = _Generator(next_seed).uniform
    return lambda shape=(), dtype="float32": draw(
        shape, sampler.lower, sampler.upper, tf.as_dtype(dtype)
    )


def _normal(sampler: Any, next_seed: Draw):
    draw = _Generator(next_seed).normal
    return lambda shape=(), dtype="float32": tf.clip_by_value(
        draw(shape, sampler.mean, sampler.stddev, tf.as_dtype(dtype)),
        sampler.min_value,
        sampler.max_value,
    )


def _by_condition(layer: Any):
    """What it does by Python's `if`, in a graph, too."""
    return lambda inputs: tf.cond(
        layer._should_augment(), lambda: layer._layer(inputs), lambda: dict(inputs)
    )


def _by_nearest(layer: Any):
    """A rotation of masks that keeps their numbers: it blends as it does pictures."""
    rotate = layer.augment_segmentation_masks

    def augment_segmentation_masks(*args, **kwargs):
        with _replaced(layer, "interpolation", "nearest"):
            return rotate(*args, **kwargs)

    return augment_segmentation_masks


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """An attribute with another value, past what Keras does with attributes."""
    own = vars(owner)
    there, before = name in own, own.get(name)
    object.__setattr__(owner, name, value)
    try:
        yield
    finally:
        if there:
            object.__setattr__(owner, name, before)
        else:
            object.__delattr__(owner, name)
