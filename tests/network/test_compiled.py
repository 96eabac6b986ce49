"""Models inside functions that XLA compiles, where the custom ops cannot run."""

import numpy as np
import pytest
import tensorflow as tf

from hyperseg_tf import DPWConv
from hyperseg_tf.ops import choice
from tests.calibrated import pictures
from tests.tiny_segmenter import random_hyperseg


@pytest.fixture(scope="module")
def model():
    return random_hyperseg(4)


def _one(implementation, folded, mark=pytest.mark.slow):
    return pytest.param(implementation, folded, marks=mark)


@pytest.mark.parametrize(
    ("implementation", "folded"),
    [
        _one("auto", False),
        pytest.param("fused", True, marks=[pytest.mark.ops, pytest.mark.slow]),
        _one("xla", True),
        _one("slices", False),
        _one("auto", True, pytest.mark.grid),
        _one("xla", False, pytest.mark.grid),
        _one("slices", True, pytest.mark.grid),
    ],
)
def test_a_compiled_function_takes_a_path_that_xla_has(model, implementation, folded):
    network = model.with_implementation(implementation)
    network = network.fold() if folded else network
    images = pictures(1, 64, 64)
    want = np.asarray(network(images, training=False))
    compiled = tf.function(lambda x: network(x, training=False), jit_compile=True)
    found = np.asarray(compiled(images))
    assert np.abs(found - want).max() <= 1e-4 * np.abs(want).max()


@pytest.mark.ops
def test_a_layer_that_ran_eagerly_can_be_compiled_afterwards():
    layer = DPWConv(3, 3, implementation="fused")
    rng = np.random.default_rng(0)
    x = tf.constant(rng.normal(size=(1, 4, 6, 2)), tf.float32)
    weights = tf.constant(rng.normal(size=(1, 2, 3, 54)), tf.float32)
    want = layer([x, weights])
    compiled = tf.function(lambda x, w: layer([x, w]), jit_compile=True)
    np.testing.assert_allclose(compiled(x, weights), want, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(layer([x, weights]), want)


def test_only_tracing_for_xla_counts_as_such():
    seen = {}

    @tf.function
    def inner():
        seen["inner"] = choice.in_xla()
        return tf.constant(0)

    @tf.function(jit_compile=True)
    def outer():
        seen["outer"] = choice.in_xla()
        return inner()

    outer()
    assert seen == {"inner": True, "outer": True}
    assert not choice.in_xla()
    assert not tf.function(lambda: tf.constant(choice.in_xla()))().numpy()


@pytest.mark.slow
def test_a_training_step_that_keras_compiles_runs(model):
    twin = model.with_implementation("auto")
    twin.compile("sgd", "mse", jit_compile=True)
    images = pictures(2, 64, 64)
    loss = twin.fit(images, np.zeros((2, 64, 64, 4), "float32"), verbose=0)
    assert np.isfinite(loss.history["loss"][0])
