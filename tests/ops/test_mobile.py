"""The custom ops of the backbone against TensorFlow's own operations."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperseg_tf.network.backbones.bottleneck import MobileBottleneck
from hyperseg_tf.ops import choice, mobile, plain

pytestmark = pytest.mark.ops

RNG = np.random.default_rng(7)


def normal(*shape):
    return tf.constant(RNG.standard_normal(shape).astype("float32"))


def weights(channels, hidden, kernel_size):
    """expand, shift1, depthwise, shift2; hidden 0 has no expansion."""
    expand = normal(channels, hidden) / channels**0.5 if hidden else None
    width = hidden or channels
    return (
        expand,
        normal(width) if hidden else None,
        normal(kernel_size, kernel_size, width) / kernel_size,
        normal(width),
    )


def excitation(hidden, squeezed):
    """reduce, shift1, expand, shift2."""
    return (
        normal(hidden, squeezed) / hidden**0.5,
        normal(squeezed),
        normal(squeezed, hidden) / squeezed**0.5,
        normal(hidden),
    )


def close(found, wanted):
    scale = float(np.abs(wanted).max(initial=1.0))
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=2e-6 * scale)


_EXPANSIONS = dict(
    batch=st.integers(0, 3),
    size=st.tuples(st.integers(1, 40), st.integers(1, 90)),
    channels=st.integers(1, 40),
    hidden=st.integers(0, 70),
    kernel_size=st.integers(1, 7),
    stride=st.integers(1, 3),
    borders=st.none() | st.tuples(st.integers(0, 4), st.integers(0, 4)),
    activation=st.sampled_from(["swish", "relu6"]),
)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(**_EXPANSIONS)
def test_expansion_is_what_stock_operations_compute(**case):
    _check_expansion(**case)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(**_EXPANSIONS)
def test_many_expansions_are_what_stock_operations_compute(**case):
    _check_expansion(**case)


def _check_expansion(
    batch, size, channels, hidden, kernel_size, stride, borders, activation
):
    if borders and min(size) + sum(borders) < kernel_size:
        borders = (kernel_size, 0)
    x = normal(batch, *size, channels)
    arguments = (
        *weights(channels, hidden, kernel_size),
        stride,
        borders or (),
        activation,
    )
    y, mean = mobile.expand_depthwise(x, *arguments)
    again = mobile.expand_depthwise(x, *arguments)
    # Stock operations refuse an empty batch.
    some = x if batch else normal(1, *size, channels)
    want, _ = plain.expand_depthwise(some, *arguments)
    # TensorFlow adds thousands of values one by one.
    want_mean = np.mean(want, (1, 2), dtype="float64")
    assert y.shape == (batch, *want.shape[1:])
    if batch:
        close(y, want)
        close(mean, want_mean)
    np.testing.assert_array_equal(y, again[0])
    np.testing.assert_array_equal(mean, again[1])


_PROJECTIONS = dict(
    batch=st.integers(0, 3),
    size=st.tuples(st.integers(0, 20), st.integers(1, 40)),
    hidden=st.integers(1, 600),
    filters=st.integers(1, 60),
    gated=st.booleans(),
    residual=st.booleans(),
)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(**_PROJECTIONS)
def test_projection_is_what_stock_operations_compute(**case):
    _check_projection(**case)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(**_PROJECTIONS)
def test_many_projections_are_what_stock_operations_compute(**case):
    _check_projection(**case)


def _check_projection(batch, size, hidden, filters, gated, residual):
    x = normal(batch, *size, hidden)
    added = normal(batch, *size, filters) if residual else None
    arguments = (
        tf.sigmoid(normal(batch, hidden)) if gated else None,
        normal(hidden, filters) / hidden**0.5,
        normal(filters),
        added,
    )
    y = mobile.gated_project(x, *arguments)
    assert y.shape == (batch, *size, filters)
    if y.shape.num_elements():
        close(y, plain.gated_project(x, *arguments))
    np.testing.assert_array_equal(y, mobile.gated_project(x, *arguments))


@settings(max_examples=30, deadline=None)
@given(batch=st.integers(0, 3), hidden=st.integers(1, 600), squeezed=st.integers(1, 50))
def test_gates_are_what_stock_operations_compute(batch, hidden, squeezed):
    mean = normal(batch, hidden)
    arguments = excitation(hidden, squeezed)
    gate = mobile.squeeze_excite(mean, *arguments)
    assert gate.shape == (batch, hidden)
    close(gate, plain.squeeze_excite(mean, *arguments))
    np.testing.assert_array_equal(gate, mobile.squeeze_excite(mean, *arguments))


@pytest.mark.parametrize("activation", ["swish", "relu6"])
@pytest.mark.parametrize("gated", [True, False])
@pytest.mark.parametrize("hidden", [0, 10])
def test_gradients_are_those_of_the_stock_operations(hidden, gated, activation):
    x = normal(2, 5, 6, 4)
    parts = weights(4, hidden, 3)
    expansion = [x, *(part for part in parts if part is not None)]
    width = hidden or 4
    gates = excitation(width, 3)
    projection = [normal(width, 4), normal(4)]
    sources = [*expansion, *(gates if gated else ()), *projection]

    def run(expand, excite, project):
        with tf.GradientTape() as tape:
            tape.watch(sources)
            y, mean = expand(x, *parts, stride=1, activation=activation)
            gate = excite(mean, *gates) if gated else None
            y = project(y, gate, *projection, x)
        return tape.gradient(y, sources)

    found = run(mobile.expand_depthwise, mobile.squeeze_excite, mobile.gated_project)
    wanted = run(
        plain.expand_depthwise,
        plain.squeeze_excite,
        plain.gated_project,
    )
    for one, other in zip(found, wanted, strict=True):
        scale = float(tf.reduce_max(abs(other)))
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5 * scale)


def swish(values):
    """Of a vector, through the op: a depthwise kernel of one pixel and weight 1."""
    x = tf.reshape(tf.constant(values), (1, 1, -1, 1))
    one, zero = tf.ones((1, 1, 1)), tf.zeros((1,))
    return mobile.expand_depthwise(x, None, None, one, zero, 1)[0].numpy().ravel()


def test_swish_holds_over_all_floats():
    x = np.linspace(-80, 80, 100_001).astype("float32")
    exact = x.astype("float64") / (1 + np.exp(-x.astype("float64")))
    np.testing.assert_allclose(swish(x), exact, rtol=3e-6)
    upper = x > -10
    np.testing.assert_allclose(swish(x)[upper], exact[upper], rtol=5e-7)
    ends = np.array([-3e38, -1e30, -100, -1e-38, -0.0, 0.0, 1e-38, 100, 1e30, 3e38])
    exact = np.maximum(np.where(abs(ends) < 1, ends / 2, ends), -1e-38)
    np.testing.assert_allclose(swish(ends.astype("float32")), exact, 1e-6, 1e-6)


def test_swish_passes_what_is_not_finite():
    found = swish(np.array([0.5, np.nan, np.inf, 2.0], "float32"))
    assert np.array_equal(np.isnan(found), [False, True, False, False])
    assert found[2] == np.inf


def test_what_is_not_finite_reaches_the_pixels_it_touches_alone():
    x = np.ones((1, 9, 9, 3), "float32")
    x[0, 4, 4, 1] = np.nan
    y, _ = mobile.expand_depthwise(x, *weights(3, 20, 3), 1)
    bad = np.isnan(y).any(-1)[0]
    assert bad[3:6, 3:6].all() and bad.sum() == 9


def arguments():
    """Valid arguments of both ops, by the names of their inputs."""
    expand, shift1, depthwise, shift2 = weights(4, 10, 3)
    x = normal(2, 5, 6, 4)
    first = dict(x=x, expand=expand, shift1=shift1, depthwise=depthwise, shift2=shift2)
    second = {
        "x": normal(2, 5, 6, 10),
        "gate": normal(2, 10),
        "project": normal(10, 3),
        "shift": normal(3),
        "residual": normal(2, 5, 6, 3),
    }
    return first, second


BAD = {
    "expand": [(3, 10), (4, 11), (4,), (4, 0), (1, 0)],
    "shift1": [(9,), (10, 1), (0,)],
    "depthwise": [(3, 3, 9), (3, 4, 10), (3, 3), (0, 0, 10), (3, 3, 0), (256, 256, 1)],
    "shift2": [(0,), (11,), ()],
    "x": [(2, 5, 6), (2, 5, 6, 5), (2, 0, 6, 4), (2, 5, 6, 0), (0, 5, 6, 3)],
}
BAD_SECOND = {
    "x": [(2, 5, 6), (2, 5, 6, 11), (3, 5, 6, 10), (2, 5, 6, 0), (2, 4, 6, 10)],
    "gate": [(2, 9), (1, 10), (20,), (2, 1, 10), (2, 0), (0, 10)],
    "project": [(9, 3), (10, 4), (10, 0), (10,)],
    "shift": [(2,), (), (3, 1)],
    "residual": [(2, 5, 6, 4), (2, 5, 7, 3), (0, 0, 0, 3), (2, 5, 6)],
}


@pytest.mark.parametrize(
    "name, shape",
    [(name, shape) for name, shapes in BAD.items() for shape in shapes],
)
def test_sizes_that_do_not_fit_are_refused(name, shape):
    given = {**arguments()[0], name: tf.zeros(shape), "stride": 1}
    with pytest.raises(tf.errors.InvalidArgumentError, match="got"):
        mobile.expand_depthwise(**given)


@pytest.mark.parametrize(
    "name, shape",
    [(name, shape) for name, shapes in BAD_SECOND.items() for shape in shapes],
)
def test_projections_that_do_not_fit_are_refused(name, shape):
    with pytest.raises(tf.errors.InvalidArgumentError, match="got"):
        mobile.gated_project(**{**arguments()[1], name: tf.zeros(shape)})


@pytest.mark.parametrize(
    "place, shape",
    [(0, (2, 10, 1)), (0, (2, 11)), (0, (2, 0)), (1, (10,)), (1, (10, 0)), (2, (4,))]
    + [(3, (3, 9)), (3, (4, 10)), (4, (9,)), (4, ())],
)
def test_gates_that_do_not_fit_are_refused(place, shape):
    given = [normal(2, 10), *excitation(10, 3)]
    given[place] = tf.zeros(shape)
    with pytest.raises(tf.errors.InvalidArgumentError, match="got"):
        mobile.squeeze_excite(*given)


@pytest.mark.parametrize("options", [{"borders": (1,)}, {"borders": (-1, 0)}])
def test_borders_that_do_not_fit_are_refused(options):
    with pytest.raises(tf.errors.InvalidArgumentError, match="borders"):
        mobile.expand_depthwise(**arguments()[0], stride=1, **options)


def test_other_activations_are_refused():
    with pytest.raises(ValueError, match=r"activation must be in .*'gelu'"):
        MobileBottleneck(8, 3, 6, 2, activation="gelu")


def test_unknown_sizes_stay_unknown_and_known_ones_known():
    first, _ = arguments()
    first.pop("x")
    borders = (None, (0, 1))
    for shape, border in itertools.product(
        [(None, None, None, 4), (2, 11, None, 4)], borders
    ):

        @tf.function(input_signature=[tf.TensorSpec(shape)])
        def run(x, border=border):
            y, mean = mobile.expand_depthwise(
                x, **first, stride=2, borders=border or ()
            )
            run.shapes = y.shape, mean.shape
            return y

        run.get_concrete_function()
        height = None if shape[1] is None else 5 if border else 6
        assert run.shapes[0].as_list() == [shape[0], height, None, 10]
        assert run.shapes[1].as_list() == [shape[0], 10]
        assert run(normal(2, 11, 13, 4)).shape[1:3] == ((5, 6) if border else (6, 7))


@pytest.mark.parametrize("squeezed, activation", [(2, "silu"), (0, "relu6")])
@pytest.mark.parametrize("strides, borders", [(1, None), (2, None), (2, (0, 1))])
@pytest.mark.parametrize("expansion", [1, 6])
def test_the_layer_is_the_same_with_and_without_the_ops(
    monkeypatch, strides, borders, expansion, squeezed, activation
):
    layer = MobileBottleneck(
        8, 3, expansion, squeezed, strides, borders, "fused", activation
    )
    x = normal(2, 12, 14, 8)
    layer(x)
    for variable in layer.weights:
        variable.assign(normal(*variable.shape) / 3)
    fused = layer(x)
    monkeypatch.setattr(choice, "fused_cpu", lambda name: False)
    plain = layer(x)
    close(fused, plain)
    assert layer.compute_output_shape(x.shape) == plain.shape
    copy = MobileBottleneck.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()
