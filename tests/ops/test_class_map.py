"""Class maps from small logits are those of the upsampled ones."""

import numpy as np
import pytest
import tensorflow as tf

from hyperseg_tf.ops import resize
from hyperseg_tf.ops.class_map import class_map

pytestmark = pytest.mark.ops


def _logits(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.mark.parametrize("factor", [1, 2])
@pytest.mark.parametrize(
    ("shape", "cropped"),
    [
        ((1, 1, 1, 1), (0, 0)),
        ((2, 3, 5, 4), (0, 0)),
        ((1, 8, 16, 11), (1, 3)),
        ((3, 9, 33, 19), (5, 7)),
        ((1, 4, 7, 256), (2, 0)),
    ],
)
def test_classes_are_the_best_of_upsampled_logits(factor, shape, cropped):
    logits = _logits(*shape)
    full = np.asarray(resize.upsample(tf.constant(logits)) if factor == 2 else logits)
    height, width = (side - c for side, c in zip(full.shape[1:3], cropped, strict=True))
    if min(height, width) < 1:
        height, width = full.shape[1:3]
    full = full[:, :height, :width].astype("float64")
    classes, probability, finite = class_map(logits, (height, width), factor, True)
    assert classes.dtype == tf.uint8 and classes.shape == full.shape[:3] and finite
    found = np.take_along_axis(full, classes.numpy()[..., None].astype(int), -1)[..., 0]
    assert (found >= full.max(axis=-1) - 1e-5).all()
    assert (classes.numpy() == full.argmax(axis=-1)).mean() > 0.999
    each = np.exp(full - full.max(axis=-1, keepdims=True))
    np.testing.assert_allclose(probability, 1 / each.sum(axis=-1), rtol=1e-5)
    alone, none, _ = class_map(logits, (height, width), factor)
    np.testing.assert_array_equal(alone, classes)
    assert none.shape == (0, 0, 0)


def test_the_first_of_equal_classes_is_taken():
    logits = np.zeros((1, 3, 9, 5), "float32")
    logits[..., 2:4] = 1
    classes, probability, _ = class_map(logits, (6, 18), 2, True)
    assert (classes.numpy() == 2).all()
    np.testing.assert_allclose(probability, np.e / (2 * np.e + 3), rtol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_told(value):
    logits = _logits(2, 4, 9, 3)
    logits[1, 2, 8, 0] = value
    assert not class_map(logits, (8, 18), 2)[2]
    assert class_map(logits[:1], (8, 18), 2)[2]
    assert class_map(3e38 * np.sign(logits[:1]), (8, 18), 2)[2]


@pytest.mark.parametrize(
    ("shape", "size", "factor", "rule"),
    [
        ((1, 2, 2), (2, 2), 1, r"\(B, h, w, C\) and \(2\)"),
        ((1, 2, 2, 3), (2,), 1, r"\(B, h, w, C\) and \(2\)"),
        ((1, 2, 2, 257), (2, 2), 1, "1 to 256 classes: got 257"),
        ((1, 2, 2, 3), (3, 2), 1, r"within that of the logits, .*: got "),
        ((1, 2, 2, 3), (0, 2), 1, "within that of the logits"),
        ((1, 2, 2, 3), (2, 2), 3, "factor must be 1 or 2: got 3"),
        ((1, 0, 2, 3), (2, 2), 1, "rows of logits must be 1 to"),
    ],
)
def test_what_does_not_fit_is_refused(shape, size, factor, rule):
    with pytest.raises(tf.errors.InvalidArgumentError, match=rule):
        class_map(np.zeros(shape, "float32"), size, factor)


def test_shapes_are_known_in_a_graph():
    spec = tf.TensorSpec((None, None, None, 7), tf.float32)

    @tf.function(input_signature=[spec])
    def maps(logits):
        return class_map(logits, (10, 12), 2, True)

    classes, probability, finite = maps.get_concrete_function().output_shapes
    assert classes.as_list() == probability.as_list() == [None, 10, 12]
    assert finite.rank == 0
