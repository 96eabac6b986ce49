import math
from dataclasses import replace

import pytest
import tensorflow as tf
from tensorflow.python.framework import ops
from tensorflow.python.profiler.internal import flops_registry  # noqa: F401

from hyperseg_tf import presets
from hyperseg_tf.network.layout import decoder_layout
from hyperseg_tf.network.model import HyperSeg
from hyperseg_tf.presets.ablations import UNREDUCED
from hyperseg_tf.presets.paper import FIGURES
from hyperseg_tf.profiling import counting
from hyperseg_tf.profiling.count_table import CountTable

# GMACs of the released models, and what the paper prints for its variants.
RELEASED = {
    "hyperseg_l_voc": 7.83,
    "hyperseg_m_cityscapes": 7.69,
    "hyperseg_s_cityscapes": 16.32,
    "hyperseg_s_camvid": 6.04,
    "hyperseg_l_camvid": 12.26,
}
TABLE_7 = [f"hyperseg_m_cityscapes_groups_{finest}" for finest in (1, 2, 4, 8, 16)]
EXACT = ["hyperseg_m_cityscapes_paper", "hyperseg_s_cityscapes_paper", *TABLE_7]


@pytest.mark.slow
@pytest.mark.parametrize("name", RELEASED)
def test_released_models_have_the_known_multiply_adds(name):
    count = counting.count(presets.get(name))
    assert count.total / 1e9 == pytest.approx(RELEASED[name], rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.grid if name in TABLE_7[1:-1] else [])
        for name in EXACT
    ],
)
def test_the_papers_figures_hold_within_one_per_cent(name):
    count = counting.count(presets.get(name))
    paper = FIGURES[name]
    assert count.parameters / 1e6 == pytest.approx(paper.parameters_m, rel=0.01)
    assert count.flops / 1e9 == pytest.approx(paper.gflops, rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["hyperseg_s_camvid_resnet18", "hyperseg_l_camvid_pspnet18"]
)
def test_other_backbones_have_the_papers_parameters(name):
    model = HyperSeg.from_preset(name)
    parameters = sum(math.prod(w.shape) for w in model.trainable_weights)
    paper = FIGURES[name].parameters_m
    assert parameters / 1e6 == pytest.approx(paper, rel=0.01)


@pytest.mark.slow
def test_the_notes_on_the_papers_figures_are_right():
    voc = counting.count(presets.get("hyperseg_l_voc"))
    four_operations = voc.total + 4 * voc.normalised
    assert four_operations / 1e9 == pytest.approx(
        FIGURES["hyperseg_l_voc"].gflops, 2e-3
    )
    model = replace(
        presets.get("hyperseg_l_camvid"),
        reductions=UNREDUCED,
        kernel_sizes=(1, 1, 3, 3, 3, 3),
    )
    parameters = counting.count(model).parameters
    assert parameters / 1e6 == pytest.approx(10.23, abs=0.005)


@pytest.mark.slow
def test_generation_and_dynamic_convolutions_follow_equation_7_and_the_layout():
    preset = presets.get("hyperseg_tiny")
    count = counting.count(preset, (64, 128))
    levels, heads = decoder_layout(preset)
    cells = 2 * 4
    made = sum(
        -(-h.units // h.groups) * h.groups * h.channels // h.groups for h in heads
    )
    assert count.macs["generation"] == cells * made
    used = 0
    for i, level in enumerate(levels):
        side = 2**i
        if level.kernel_size == 1:
            used += side**2 * math.prod(level.kernels[0])
        else:  # the expansion is computed on the halo, too
            expand, depthwise, project = (math.prod(k) for k in level.kernels)
            used += (side + 2) ** 2 * expand + side**2 * (depthwise + project)
    assert count.macs["dynamic"] == cells * used
    assert count.grid == (2, 4)
    assert count.generated == sum(level.size for level in levels)


@pytest.mark.slow
def test_convolutions_are_counted_as_tensorflow_counts_them():
    model = HyperSeg.from_preset("hyperseg_tiny", implementation="einsum")
    function = tf.function(lambda x: model(x, training=False), autograph=False)
    graph = function.get_concrete_function(tf.TensorSpec((1, 96, 64, 3))).graph
    registered = {"Conv2D", "DepthwiseConv2dNative", "MatMul", "BatchMatMulV2"}
    seen = set()
    for operation, products in counting.multiply_adds(graph):
        if operation.type in registered:
            stats = ops.get_stats_for_node_def(graph, operation.node_def, "flops")
            assert stats.value == 2 * products, operation.name
            seen.add(operation.type)
    assert seen >= {"Conv2D", "DepthwiseConv2dNative"}


def test_normalised_values_are_those_of_the_convolutions_before_them():
    @tf.function
    def graph(x, gamma, variance):
        scale = gamma * tf.math.rsqrt(variance + 1e-3)
        shift = gamma - variance * scale
        return x * scale + shift

    function = graph.get_concrete_function(
        tf.TensorSpec((2, 3, 5, 7)), tf.TensorSpec((7,)), tf.TensorSpec((7,))
    )
    assert counting.normalised_values(function.graph) == 2 * 3 * 5 * 7


def test_what_cannot_be_counted_is_an_error():
    @tf.function
    def inner(x):
        return tf.matmul(x, x)

    @tf.function
    def unknown(x):
        return tf.raw_ops.BatchMatMul(x=x, y=x)

    @tf.function
    def outer(x):
        return inner(x)

    free = tf.TensorSpec((None, 3, 3))
    for function, spec, rule in (
        (unknown, tf.TensorSpec((2, 3, 3)), "no rule to count BatchMatMul"),
        (outer, tf.TensorSpec((3, 3)), "no rule to count .*PartitionedCall"),
        (inner, free, "unknown shape"),
    ):
        with pytest.raises(RuntimeError, match=rule):
            list(counting.multiply_adds(function.get_concrete_function(spec).graph))


@pytest.mark.slow
def test_a_static_decoder_generates_nothing():
    preset = replace(presets.get("hyperseg_tiny"), dynamic=False, weight_groups=())
    count = counting.count(preset, (64, 64))
    assert count.generated == 0
    assert count.grid == (0, 0)
    assert set(count.macs) == {"backbone", "context", "static"}
    assert "-" in CountTable([preset]).row(count)
