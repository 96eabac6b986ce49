import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from hyperseg_tf import DPWConv
from tests.golden import arrays
from tests.implementations import IMPLEMENTATIONS, MANY_SIZES
from tests.layouts import OPERATION, nchw, nhwc


def _forward_and_gradients(layer, x, weights, factors):
    x, weights = tf.constant(x), tf.constant(weights)
    with tf.GradientTape() as tape:
        tape.watch([x, weights])
        y = layer([x, weights])
        total = tf.reduce_sum(y * factors)
    return (y, *tape.gradient(total, [x, weights]))


@pytest.mark.parametrize("implementation", MANY_SIZES)
def test_matches_the_reference_forward_and_backward(implementation):
    gold = arrays("op_dynamic_patch_conv")
    cases = json.loads(str(gold["cases_json"]))
    assert len(cases) == 10
    for case in cases:
        key = f"case{case['case']}/"
        layer = DPWConv(
            case["c_out"],
            case["kernel"],
            case["groups"],
            padding=case["padding_mode"],
            remainder="error" if case["divides"] else "zero",
            implementation=implementation,
        )
        results = _forward_and_gradients(
            layer,
            *(nhwc(gold[key + name]) for name in ("x", "weights", "loss_factors")),
        )
        names = ("y", "grad_x", "grad_weights")
        for name, result in zip(names, results, strict=True):
            np.testing.assert_allclose(
                nchw(result), gold[key + name], **OPERATION, err_msg=key + name
            )


def _naive(x, weights, filters, size, groups):
    """Eq. 8 as loops over images, patches, filters and taps; reflect padding."""
    batch, height, width, channels = x.shape
    _, rows, columns, _ = weights.shape
    halo, depth = size // 2, channels // groups
    padded = np.pad(x, [(0, 0), (halo, halo), (halo, halo), (0, 0)], mode="reflect")
    y = np.zeros((batch, height, width, filters), "float64")
    for b, r, c in np.ndindex(batch, height, width):
        cell = weights[b, r * rows // height, c * columns // width]
        kernel = cell.reshape(filters, depth, size, size)
        for o in range(filters):
            first = o // (filters // groups) * depth
            window = padded[b, r : r + size, c : c + size, first : first + depth]
            y[b, r, c, o] = np.sum(window.transpose(2, 0, 1) * kernel[o])
    return y


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize(
    ("size", "grid", "channels", "filters", "kernel", "groups"),
    [
        ((13, 7), (13, 1), 3, 2, 3, 1),
        ((6, 15), (2, 5), 4, 6, 3, 2),
        ((10, 10), (2, 2), 5, 5, 5, 5),
        ((7, 9), (1, 3), 1, 13, 1, 1),
        ((5, 4), (5, 4), 2, 2, 3, 2),
    ],
)
def test_equals_plain_loops(
    implementation, size, grid, channels, filters, kernel, groups
):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, *size, channels)).astype("float32")
    count = filters * channels // groups * kernel**2
    weights = rng.normal(size=(2, *grid, count)).astype("float32")
    layer = DPWConv(filters, kernel, groups, implementation=implementation)
    expected = _naive(x, weights, filters, kernel, groups)
    np.testing.assert_allclose(layer([x, weights]), expected, **OPERATION)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_unknown_sizes_work_in_a_graph(implementation):
    layer = DPWConv(3, 3, implementation=implementation)
    unknown = (
        tf.TensorSpec((None, None, None, 2)),
        tf.TensorSpec((None, None, None, 54)),
    )
    graph = tf.function(lambda x, w: layer([x, w]), input_signature=unknown)
    rng = np.random.default_rng(1)
    for size, grid in (((6, 8), (2, 2)), ((7, 3), (1, 3))):
        x = rng.normal(size=(2, *size, 2)).astype("float32")
        weights = rng.normal(size=(2, *grid, 54)).astype("float32")
        expected = _naive(x, weights, 3, 3, 1)
        np.testing.assert_allclose(graph(x, weights), expected, **OPERATION)


def test_a_weight_moves_its_own_patch_alone():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(1, 6, 6, 2)).astype("float32")
    weights = rng.normal(size=(1, 2, 3, 36)).astype("float32")
    layer = DPWConv(2, 3)
    before = np.asarray(layer([x, weights]))
    weights[0, 1, 2] += 1
    moved = np.any(before != np.asarray(layer([x, weights])), axis=(0, 3))
    assert moved[3:, 4:].all()
    assert moved.sum() == 6


def test_survives_serialization():
    layer = DPWConv(4, 3, groups=2, padding="zeros", halo="neighbour", name="dynamic")
    copy = keras.layers.deserialize(keras.layers.serialize(layer))
    assert copy.get_config() == layer.get_config()


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"filters": 3, "kernel_size": 2}, "kernel_size must be odd"),
        ({"filters": 3, "kernel_size": 3, "groups": 2}, "groups must divide filters"),
        ({"filters": 3, "kernel_size": 3, "padding": "same"}, "padding must be one of"),
        ({"filters": 3, "kernel_size": 3, "halo": "none"}, "halo must be one of"),
        ({"filters": 3, "kernel_size": 3, "implementation": "fast"}, "implementation"),
    ],
)
def test_wrong_arguments_are_refused(arguments, rule):
    with pytest.raises(ValueError, match=rule):
        DPWConv(**arguments)


@pytest.mark.parametrize(
    ("x", "weights", "rule"),
    [
        ((1, 6, 6, 2), (1, 2, 2, 53), "need 54 weights per patch: got 53"),
        ((1, 7, 6, 2), (1, 2, 2, 54), "the grid must divide the map: got 7x6"),
        ((1, 2, 6, 2), (1, 3, 2, 54), "a patch needs at least one pixel"),
        ((6, 6, 2), (1, 2, 2, 54), r"x must be \(B, H, W, C\)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(x, weights, rule):
    with pytest.raises(ValueError, match=rule):
        DPWConv(3, 3)([np.zeros(x, "float32"), np.zeros(weights, "float32")])
