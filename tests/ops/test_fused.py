import logging
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperseg_tf import DPWConv, HyperSeg
from hyperseg_tf.network.dpw_conv import dynamic_patch_conv
from hyperseg_tf.ops import build, choice, fused
from hyperseg_tf.ops.block import Block
from hyperseg_tf.ops.generate import generate
from hyperseg_tf.ops.path import PLAIN
from tests.calibrated import pictures
from tests.layouts import OPERATION

pytestmark = pytest.mark.ops

_PADDINGS = ("reflect", "replicate", "circular", "zeros")
# One rounding of inputs and one of the output, relative to the largest value.
_STORAGE = {"bfloat16": 2**-7, "float16": 2**-10}


@st.composite
def _convolutions(draw):
    groups = draw(st.integers(1, 3))
    depthwise = draw(st.booleans())
    depth = 1 if depthwise else draw(st.integers(1, 9))
    groups = draw(st.sampled_from((1, 7, 33))) if depthwise else groups
    filters = groups * (1 if depthwise else draw(st.integers(1, 9)))
    grid = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    patch = draw(st.tuples(st.integers(1, 17), st.integers(1, 17)))
    size = [g * p for g, p in zip(grid, patch, strict=True)]
    # Reflection needs more pixels than the halo has.
    kernels = [k for k in (1, 3, 5) if (k - 1) // 2 < min(size)]
    return {
        "batch": draw(st.sampled_from((1, 2, 7))),
        "grid": grid,
        "size": size,
        "channels": groups * depth,
        "filters": filters,
        "kernel_size": draw(st.sampled_from(kernels)),
        "groups": groups,
        "padding": draw(st.sampled_from(_PADDINGS)),
        "seed": draw(st.integers(0, 2**31)),
    }


def _tensors(case, dtype="float32"):
    rng = np.random.default_rng(case["seed"])
    per_filter = case["channels"] // case["groups"] * case["kernel_size"] ** 2
    x = rng.normal(size=(case["batch"], *case["size"], case["channels"]))
    weights = rng.normal(
        size=(case["batch"], *case["grid"], case["filters"] * per_filter)
    )
    return tf.cast(x, dtype), tf.cast(weights / np.sqrt(per_filter), dtype)


def _options(case):
    return {k: case[k] for k in ("filters", "kernel_size", "groups", "padding")}


def _run(case, x, weights, implementation):
    with tf.GradientTape() as tape:
        tape.watch([x, weights])
        y = dynamic_patch_conv(
            x, weights, **_options(case), implementation=implementation
        )
        total = tf.reduce_sum(tf.sin(y))
    return y, *tape.gradient(total, [x, weights])


@settings(max_examples=6, deadline=None, derandomize=True)
@given(_convolutions())
def test_convolution_and_gradients_are_those_of_the_specification(case):
    _check_convolution(case)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(_convolutions())
def test_many_convolutions_are_those_of_the_specification(case):
    _check_convolution(case)


def _check_convolution(case):
    x, weights = _tensors(case)
    for found, want in zip(
        _run(case, x, weights, "fused"), _run(case, x, weights, "slices"), strict=True
    ):
        # Sums over all pixels of a patch are larger than single products.
        scale = max(1.0, float(np.abs(want).max(initial=0)))
        np.testing.assert_allclose(found, want, rtol=1e-4, atol=2e-5 * scale)
    np.testing.assert_allclose(
        dynamic_patch_conv(x, weights, **_options(case), implementation="einsum"),
        fused.conv(x, weights, **_options(case)),
        **OPERATION,
    )


@pytest.mark.parametrize("dtype", _STORAGE)
@settings(max_examples=8, deadline=None, derandomize=True)
@given(_convolutions())
def test_16_bit_storage_rounds_once(dtype, case):
    x, weights = _tensors(case, dtype)
    exact = dynamic_patch_conv(
        tf.cast(x, "float32"),
        tf.cast(weights, "float32"),
        **_options(case),
        implementation="einsum",
    )
    found = fused.conv(x, weights, **_options(case))
    assert found.dtype == dtype
    # The stored inputs are taken as they are, sums are float: only the result rounds.
    difference = np.abs(tf.cast(found, "float32") - exact)
    bound = _STORAGE[dtype] * np.maximum(np.abs(exact), 2e-3)
    assert (difference <= bound).all()


def test_the_gradient_agrees_with_finite_differences():
    case = {"batch": 1, "grid": (2, 1), "size": (6, 5), "channels": 2, "filters": 3}
    case |= {"kernel_size": 3, "groups": 1, "padding": "reflect", "seed": 3}
    x, weights = _tensors(case)
    theoretical, numerical = tf.test.compute_gradient(
        lambda x, w: fused.conv(x, w, **_options(case)), [x, weights], delta=1e-2
    )
    for found, want in zip(theoretical, numerical, strict=True):
        np.testing.assert_allclose(found, want, rtol=1e-2, atol=1e-2)


def test_an_empty_batch_gives_an_empty_map_and_no_gradient():
    x, weights = tf.zeros((0, 4, 6, 2)), tf.zeros((0, 2, 3, 54))
    with tf.GradientTape() as tape:
        tape.watch([x, weights])
        y = fused.conv(x, weights, 3, 3, 1, "reflect")
        total = tf.reduce_sum(y)
    assert y.shape == (0, 4, 6, 3)
    for gradient, like in zip(
        tape.gradient(total, [x, weights]), (x, weights), strict=True
    ):
        assert gradient.shape == like.shape


@st.composite
def _blocks(draw):
    kernel_size = draw(st.sampled_from((1, 3, 3, 5)))
    grid = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    patch = draw(st.tuples(st.integers(1, 8), st.integers(1, 8)))
    size = [2 * g * p for g, p in zip(grid, patch, strict=True)]
    if min(size) <= kernel_size // 2:
        kernel_size = 1
    return {
        "batch": draw(st.sampled_from((1, 2))),
        "grid": grid,
        "size": size,
        "feature": draw(st.integers(1, 20)),
        "previous": draw(st.sampled_from((0, 1, 16, 19))),
        "filters": draw(st.integers(1, 24)),
        "kernel_size": kernel_size,
        "expand_ratio": draw(st.integers(1, 3)),
        "positions": draw(st.booleans()),
        "halo": draw(st.sampled_from(("patch", "neighbour"))),
        "padding": draw(st.sampled_from(_PADDINGS)),
        "groups": draw(st.sampled_from((0, 1, 4))),
        "depth": draw(st.integers(1, 9)),
        "offset": draw(st.integers(0, 3)),
        "start": draw(st.integers(0, 30)),
        "seed": draw(st.integers(0, 2**31)),
    }


@settings(max_examples=40, deadline=None, derandomize=True)
@given(_blocks())
def test_a_block_is_the_specification_from_the_signal_on(case):
    rng = np.random.default_rng(case["seed"])

    def normal(*shape):
        return tf.constant(rng.normal(size=shape), tf.float32)

    batch, size, grid = case["batch"], case["size"], case["grid"]
    kernel_size, filters = case["kernel_size"], case["filters"]
    channels = case["feature"] + case["previous"] + 2 * case["positions"]
    hidden = case["expand_ratio"] * channels if kernel_size > 1 else 0
    used = filters * channels
    if hidden:
        used = hidden * (channels + kernel_size**2 + filters)
    groups, start = case["groups"], case["start"]
    feature = normal(batch, *size, case["feature"])
    half = [side // 2 for side in size]
    previous = normal(batch, *half, case["previous"]) if case["previous"] else None
    if groups:
        units = -(-(start + used) // groups) * groups
        head = normal(case["depth"], units) / np.sqrt(case["depth"] * channels)
        read = groups * case["depth"]
        signal = normal(batch, *grid, case["offset"] + read + 2)
        weights = generate(signal, head, groups, case["offset"])
    else:
        head = None
        weights = signal = normal(batch, *grid, start + used + 1) / np.sqrt(channels)
    shifts = [normal(n) for n in ((hidden, hidden, filters) if hidden else (filters,))]
    options = {"positions": case["positions"], "halo": case["halo"]}
    options["padding"] = case["padding"]
    block = Block(
        filters,
        kernel_size,
        case["expand_ratio"],
        case["halo"],
        case["padding"],
        case["positions"],
        1e-5,
        PLAIN["einsum", False],
    )
    want, _ = block(
        feature,
        previous,
        weights[..., start : start + used],
        [(shift,) for shift in shifts],
    )
    found, again = (
        fused.block(
            feature,
            previous,
            signal,
            head,
            shifts,
            filters=filters,
            hidden=hidden,
            kernel_size=kernel_size,
            groups=groups,
            offset=case["offset"] if groups else 0,
            start=start,
            **options,
        )
        for _ in range(2)
    )
    scale = max(1.0, float(np.abs(want).max()))
    np.testing.assert_allclose(found, want, rtol=1e-4, atol=2e-5 * scale)
    np.testing.assert_array_equal(found, again)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_reaches_the_pixels_it_touches_and_no_others(bad):
    x, weights = np.ones((1, 8, 12, 3), "float32"), np.ones((1, 2, 3, 27), "float32")
    x[0, 3, 4, 1] = bad
    y = fused.conv(x, weights, 1, 3, 1, "reflect").numpy()[0, :, :, 0]
    touched = np.zeros((8, 12), bool)
    touched[2:5, 3:6] = True
    assert (~np.isfinite(y) == touched).all()
    weights[0, 1, 2, 5], x[0, 3, 4, 1] = bad, 1
    y = fused.conv(x, weights, 1, 3, 1, "reflect").numpy()[0, :, :, 0]
    assert (~np.isfinite(y[4:, 8:])).all()
    assert np.isfinite(y[:4]).all() and np.isfinite(y[:, :8]).all()


_CONV = {"filters": 3, "kernel_size": 3, "groups": 1, "padding": "reflect"}


@pytest.mark.parametrize(
    ("x", "weights", "options", "rule"),
    [
        ((4, 6, 2), (1, 2, 3, 54), {}, "x must have 4 dimensions"),
        ((1, 4, 6, 2), (2, 3, 54), {}, "weights must have 4 dimensions"),
        ((1, 4, 6, 2), (2, 2, 3, 54), {}, "the same batch: got 1 and 2"),
        ((1, 4, 7, 2), (1, 2, 3, 54), {}, "must divide the map: got 4x7"),
        ((1, 4, 6, 2), (1, 0, 3, 54), {}, "at least one patch: got 0x3"),
        ((1, 0, 6, 2), (1, 2, 3, 54), {}, "at least one pixel: got 0x6"),
        ((1, 4, 6, 2), (1, 2, 3, 53), {}, "need 54 weights per patch: got 53"),
        ((1, 4, 6, 2), (1, 2, 3, 54), {"kernel_size": 2}, "must be odd"),
        ((1, 4, 6, 2), (1, 2, 3, 54), {"groups": 2}, "groups must divide filters"),
        ((1, 4, 6, 0), (1, 2, 3, 0), {}, "must divide the channels: got 0"),
        ((1, 1, 6, 2), (1, 1, 3, 54), {}, "reflect padding of 1 pixels"),
        (
            (1, 4, 6, 2),
            (1, 2, 3, 54),
            {"filters": 2**31 - 1, "kernel_size": 255, "padding": "zeros"},
            "must be countable",
        ),
    ],
)
def test_sizes_that_do_not_fit_are_refused(x, weights, options, rule):
    with pytest.raises(tf.errors.InvalidArgumentError, match=rule):
        fused.conv(tf.zeros(x), tf.zeros(weights), **{**_CONV, **options})


def test_types_that_are_not_known_are_refused():
    x, weights = tf.zeros((1, 4, 6, 2), "float64"), tf.zeros((1, 2, 3, 54), "float64")
    with pytest.raises((TypeError, tf.errors.InvalidArgumentError)):
        fused.conv(x, weights, **_CONV)
    with pytest.raises((TypeError, tf.errors.InvalidArgumentError)):
        fused.conv(tf.cast(x, "float32"), tf.cast(weights, "float16"), **_CONV)


def test_unknown_sizes_stay_unknown_in_a_graph():
    free = tf.TensorSpec((None, None, None, 2)), tf.TensorSpec((None, None, None, 54))
    function = tf.function(lambda x, w: fused.conv(x, w, **_CONV), input_signature=free)
    assert function.get_concrete_function().output_shapes.as_list() == [
        *(None, None, None, 3)
    ]
    for size in ((4, 6), (10, 9)):
        assert function(tf.zeros((2, *size, 2)), tf.zeros((2, 2, 3, 54))).shape == (
            *(2, *size, 3),
        )


def test_auto_is_fused_in_inference_and_in_training(monkeypatch, caplog):
    monkeypatch.delenv(choice.ENVIRONMENT, raising=False)
    choice._tell.cache_clear()
    with caplog.at_level(logging.INFO, logger="hyperseg_tf"):
        for _ in range(2):
            assert choice.resolve("auto") == "fused"
            assert choice.resolve("auto", training=True) == "fused"
    assert len([r for r in caplog.records if "dynamic convolutions" in r.message]) == 2
    monkeypatch.setenv(choice.ENVIRONMENT, "slices")
    assert choice.resolve("auto") == choice.resolve("auto", training=True) == "slices"
    assert choice.resolve("einsum") == "einsum"
    monkeypatch.setenv(choice.ENVIRONMENT, "fast")
    with pytest.raises(ValueError, match="implementation must be one of"):
        choice.resolve("auto")


@pytest.mark.slow
def test_without_a_compiler_auto_takes_xla_and_says_why(tmp_path):
    """A fresh process, as the library is loaded once."""
    code = (
        "import logging; logging.basicConfig(format='%(message)s')\n"
        "from hyperseg_tf.ops import choice\n"
        "print(choice.resolve('auto'), choice.resolve('auto'))\n"
        "try: choice.resolve('fused')\n"
        "except RuntimeError as error: print(error)\n"
    )
    env = {**os.environ, "CXX": "no-such-compiler", build.CACHE: str(tmp_path)}
    env.pop(choice.ENVIRONMENT, None)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).resolve().parents[2],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    first, second = done.stdout.splitlines()
    assert first == "xla xla"
    assert "there is no compiler no-such-compiler" in second
    assert done.stderr.count("slower path than they could: there is no compiler") == 1


@pytest.mark.slow
def test_a_model_runs_fused_folded_frozen_and_in_bfloat16():
    keras.utils.set_random_seed(0)
    model = HyperSeg.from_preset("hyperseg_tiny", implementation="fused")
    images = pictures(2, 70, 96)
    want = np.asarray(model.with_implementation("einsum")(images))
    scale = np.abs(want).max()
    for found in (
        model(images),
        model.fold()(images),
        tf.function(model)(images, training=False),
    ):
        assert np.abs(found - want).max() <= 1e-4 * scale


def test_a_layer_keeps_its_own_choice(monkeypatch):
    monkeypatch.setenv(choice.ENVIRONMENT, "einsum")
    layer = DPWConv(3, 3, implementation="fused")
    x, weights = tf.random.normal((1, 4, 6, 2)), tf.random.normal((1, 2, 3, 54))
    graph = tf.function(lambda x, w: layer([x, w])).get_concrete_function(x, weights)
    kinds = {
        node.op
        for function in graph.graph.as_graph_def().library.function
        for node in function.node_def
    } | {node.op for node in graph.graph.as_graph_def().node}
    assert "DpwConv" in kinds


@pytest.mark.parametrize("groups", [0, 2])
@pytest.mark.parametrize("halo", ["patch", "neighbour"])
def test_a_block_passes_gradients_to_everything_it_reads(groups, halo):
    rng = np.random.default_rng(0)
    used = 10 * (5 + 9 + 3)
    shapes = [(1, 4, 8, 1), (1, 2, 4, 2), (1, 2, 2, 4 if groups else used), (2, used)]
    shapes += [(10,), (10,), (3,)]
    values = [tf.constant(rng.normal(size=shape) / 3, tf.float32) for shape in shapes]

    def run(feature, previous, signal, head, *shifts):
        head = head if groups else None
        options = {"filters": 3, "hidden": 10, "kernel_size": 3, "halo": halo}
        return fused.block(
            feature, previous, signal, head, shifts, groups=groups, **options
        )

    # One random direction of each input, instead of every element by itself.
    factors = tf.constant(rng.normal(size=(1, 4, 8, 3)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(values)
        total = tf.reduce_sum(factors * run(*values))
    gradients = tape.gradient(total, values)
    for i, (value, gradient) in enumerate(zip(values, gradients, strict=True)):
        if not groups and i == 3:
            continue  # no weight head, nothing to pass on
        direction = tf.constant(rng.normal(size=value.shape), tf.float32)
        ends = [
            tf.reduce_sum(factors * run(*values[:i], value + step, *values[i + 1 :]))
            for step in (1e-3 * direction, -1e-3 * direction)
        ]
        slope = float(ends[0] - ends[1]) / 2e-3
        found = float(tf.reduce_sum(gradient * direction))
        # A step may cross a kink of ReLU6.
        assert abs(found - slope) <= 5e-2 * max(1.0, abs(slope)), i
