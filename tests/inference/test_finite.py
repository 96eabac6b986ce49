import numpy as np
import pytest
import tensorflow as tf

from hyperseg_tf.inference.finite import NotFinite, check_finite
from hyperseg_tf.inference.segmenter import Segmenter
from tests.tiny_segmenter import by_brightness


def _logits():
    return np.random.default_rng(0).normal(size=(3, 7, 13, 5)).astype("float32")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("position", [(0, 0, 0, 0), (1, 3, 5, 2), (2, 6, 12, 4)])
def test_one_value_is_enough_and_its_picture_is_known(value, position):
    logits = _logits()
    check_finite(tf.constant(logits))
    logits[position] = value
    with pytest.raises(NotFinite) as error:
        check_finite(tf.constant(logits))
    assert error.value.index == position[0]


def test_infinities_that_cancel_and_large_values_that_overflow_are_told_apart():
    logits = _logits()
    logits[1, 0, 0, :2] = np.inf, -np.inf
    with pytest.raises(NotFinite):
        check_finite(tf.constant(logits))
    check_finite(tf.constant(np.full((2, 3, 5, 7), 3e38, "float32")))


def test_a_class_map_is_not_made_where_logits_can_be_looked_at():
    model = by_brightness()
    kernel, _ = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel, np.array([np.inf, 0, 0], "float32")])
    of, images = Segmenter(model), np.zeros((1, 5, 7, 3), np.uint8)
    with pytest.raises(NotFinite, match="take an earlier one"):
        of.class_maps(images)
    assert np.isinf(of.logits(images)[..., 0]).all()
