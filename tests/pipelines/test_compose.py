"""Joined transforms are the transforms one after another."""

import numpy as np
import pytest
import tensorflow as tf

from hyperseg_tf.pipelines import (
    BalancedCrop,
    ColourJitter,
    CutMix,
    Normalise,
    PadTo,
    RandomCrop,
    RandomFlip,
    RandomScale,
    Resize,
    VoidToClass,
)
from hyperseg_tf.pipelines.transforms import compose
from hyperseg_tf.pipelines.transforms.view import View
from tests.pipelines.test_transforms import make


def one_by_one(transforms, sample, seed):
    for i, transform in enumerate(transforms):
        key = tf.random.experimental.stateless_fold_in(seed, i)
        sample = transform(sample, key)
    return sample


ORDERS = [
    (RandomScale(0.5, 2.0, p=0.5), RandomCrop(11, 17), RandomFlip()),
    (RandomScale(0.2, 0.6), RandomCrop(9, 7), RandomFlip()),
    (RandomFlip(), RandomScale(0.5, 2.0), RandomCrop(11, 17)),
    (RandomScale(0.7, 2.0, method="bilinear"), RandomFlip(), RandomCrop(11, 17)),
    (RandomFlip(), RandomCrop(30, 8), RandomFlip()),
    (RandomCrop(11, 17), RandomScale(0.5, 2.0), PadTo(20, 20), RandomFlip()),
    (RandomCrop(14, 20), RandomCrop(17, 5)),
    (PadTo(40, 3), RandomCrop(13, 13), PadTo(13, 19)),
    (VoidToClass(3), Resize(13, 21), RandomFlip(), Normalise()),
    (RandomScale(0.5, 2.0), RandomScale(0.5, 2.0), RandomCrop(11, 17)),
    (RandomScale(0.5, 2.0), BalancedCrop(8, 9), RandomFlip()),
    (RandomScale(0.5, 0.9), ColourJitter(0.5), RandomCrop(12, 12), Normalise()),
]


@pytest.mark.parametrize(
    "transforms", ORDERS, ids=lambda ts: "-".join(type(t).__name__ for t in ts)
)
@pytest.mark.parametrize(
    "dtype", [np.uint8, pytest.param(np.float32, marks=pytest.mark.slow)]
)
def test_joined_is_one_after_another(transforms, dtype):
    """Labels equal, images within one grey level."""
    sample = make(23, 31, dtype)
    joined, plain = tf.function(compose(transforms)), tf.function(one_by_one)
    level = 1 / 57 if Normalise() in transforms else 1
    for n in range(12):
        seed = tf.constant([5, n], tf.int64)
        found, wanted = joined(sample, seed), plain(transforms, sample, seed)
        np.testing.assert_array_equal(found["label"], wanted["label"])
        assert found["image"].dtype == wanted["image"].dtype
        difference = found["image"].numpy().astype(float) - wanted["image"]
        assert np.abs(difference).max() <= level + 1e-3


def test_what_is_cropped_is_resized_once(monkeypatch):
    """Else the whole picture would be computed, and thrown away."""
    computed = []
    sample_of = View.sample
    monkeypatch.setattr(View, "sample", lambda v: computed.append(1) or sample_of(v))
    for transforms, times in ((ORDERS[0], 1), (ORDERS[3], 1), (ORDERS[6], 2)):
        computed.clear()
        compose(transforms)(make(23, 31), tf.constant([1, 2], tf.int64))
        assert len(computed) == times


def test_sizes_that_are_known_are_static():
    spec = {
        "image": tf.TensorSpec((None, None, 3), tf.uint8),
        "label": tf.TensorSpec((None, None), tf.uint8),
    }
    seed = tf.TensorSpec((2,), tf.int64)
    for transforms, size in ((ORDERS[0], (11, 17)), (ORDERS[8], (13, 21))):
        graph = tf.function(compose(transforms)).get_concrete_function(spec, seed)
        assert graph.structured_outputs["label"].shape == size
        assert graph.structured_outputs["image"].shape == (*size, 3)


def test_mixing_needs_another_sample():
    with pytest.raises(ValueError, match="another sample"):
        compose((RandomCrop(3, 3), CutMix()))
    with pytest.raises(ValueError, match="another sample"):
        CutMix()(make(3, 3), tf.constant([0, 0]))
