import warnings

import numpy as np
import pytest
import tensorflow as tf

from hyperseg_tf.network import normalised


@pytest.fixture(autouse=True)
def never_looked(monkeypatch):
    monkeypatch.setattr(normalised, "_looked", [])


def test_pixels_are_warned_of_once():
    pixels = np.full((1, 4, 4, 3), 200, "float32")
    with pytest.warns(UserWarning, match="up to 200; give it hyperseg_tf.preprocess"):
        normalised.check_normalised(pixels)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        normalised.check_normalised(pixels)


@pytest.mark.parametrize(
    "images",
    [np.zeros((1, 4, 4, 3)), np.random.default_rng(0).normal(size=(2, 4, 4, 3)), None],
)
def test_nothing_is_said_of_normalised_images(images):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        normalised.check_normalised(images)


def test_a_graph_gets_nothing_more():
    @tf.function
    def graph(images):
        normalised.check_normalised(images)
        return images

    traced = graph.get_concrete_function(tf.TensorSpec((1, None, None, 3)))
    assert [op.type for op in traced.graph.get_operations()] == [
        "Placeholder",
        "Identity",
    ]
    assert not normalised._looked
