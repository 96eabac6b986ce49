import dataclasses
import math

import numpy as np
import pytest

from benchmarks.blocks import inputs
from benchmarks.blocks.spec import (
    BlockSpec,
    merge_equal,
    preset_blocks,
    published_blocks,
)
from benchmarks.blocks.work import Roofs, dynamic_work, geometric_mean, static_work
from hyperseg_tf import presets

RESIDUAL = BlockSpec(
    height=6,
    width=10,
    rows=3,
    columns=2,
    feature_channels=5,
    previous_channels=4,
    hidden=22,
    filters=7,
    kernel_size=3,
    signal_channels=40,
    offset=6,
    groups=4,
    depth=3,
    units=604,
    start=10,
    halo="patch",
)
POINTWISE = dataclasses.replace(
    RESIDUAL, previous_channels=0, hidden=0, kernel_size=1, units=64
)


def test_weights_of_a_block_are_those_of_its_three_kernels():
    assert RESIDUAL.size == 11 * 22 + 22 * 9 + 7 * 22
    assert POINTWISE.size == 7 * 7


def test_flops_are_two_per_multiply_add():
    cells, pixels = 6, 60
    halo = (10 * 12 - 60) * 11 * 22  # two rows at each seam, two columns at one
    macs = cells * 3 * RESIDUAL.size + pixels * RESIDUAL.size + halo
    assert dynamic_work(RESIDUAL).flops == 2 * macs
    assert dynamic_work(RESIDUAL).halo_flops == 2 * halo
    assert static_work(RESIDUAL).flops == 2 * pixels * RESIDUAL.size


def test_halo_of_the_neighbours_is_no_work():
    neighbour = dataclasses.replace(RESIDUAL, halo="neighbour")
    work = dynamic_work(RESIDUAL)
    assert dynamic_work(neighbour).halo_flops == 0
    assert dynamic_work(neighbour).flops == work.flops - work.halo_flops
    assert dynamic_work(neighbour).bytes == work.bytes


def test_bytes_are_those_of_every_input_and_the_output():
    maps = 60 * (5 + 7) + 15 * 4
    biases = 22 + 22 + 7
    head = 6 * 4 * 3 + 3 * RESIDUAL.size
    assert dynamic_work(RESIDUAL).bytes == 4 * (maps + biases + head)
    assert static_work(RESIDUAL).bytes == 4 * (maps + biases + RESIDUAL.size)


def test_work_of_a_batch_is_a_multiple_but_for_the_head():
    batch = dataclasses.replace(RESIDUAL, batch=5)
    one, five = dynamic_work(RESIDUAL), dynamic_work(batch)
    assert five.flops == 5 * one.flops
    learned = 4 * (3 * RESIDUAL.size + 22 + 22 + 7)
    assert five.bytes == 5 * (one.bytes - learned) + learned


@pytest.mark.slow
def test_counted_work_is_that_of_the_traced_graph():
    from hyperseg_tf.profiling import counting

    preset = presets.get("hyperseg_tiny")
    count = counting.count(preset, (128, 192))
    blocks = preset_blocks(preset, (128, 192))
    macs = sum(dynamic_work(block).flops for block in blocks) // 2
    # The graph also makes the units that round up a group, and computes pixels beyond
    # the map, which the patches have anyway.
    for block in blocks:
        cells = block.rows * block.columns
        macs += cells * block.depth * (block.units - block.size)
        if block.hidden:
            beyond = block.height * 2 + block.width * 2 + 4
            beyond += 2 * 2 * (block.rows - 1) + 2 * 2 * (block.columns - 1)
            macs += beyond * block.channels * block.hidden
    assert macs == count.macs["generation"] + count.macs["dynamic"]


def test_slower_roof_is_the_floor():
    roofs = Roofs(flops_per_second=4e9, bytes_per_second=2e9)
    assert roofs.floor_ms(8e6, 2e6) == pytest.approx(2.0)
    assert roofs.floor_ms(8e6, 8e6) == pytest.approx(4.0)


@pytest.mark.parametrize("ridge, bound", [(1.0, "compute"), (1000.0, "memory")])
def test_bound_is_the_side_of_the_ridge(ridge, bound):
    roofs = Roofs(flops_per_second=ridge * 1e9, bytes_per_second=1e9)
    assert roofs.bound(dynamic_work(RESIDUAL)) == bound


def test_geometric_mean_of_a_ratio_and_its_inverse_is_one():
    assert geometric_mean([4.0, 0.25]) == pytest.approx(1.0)
    assert geometric_mean(x for x in (2.0, 8.0)) == pytest.approx(4.0)
    assert math.isnan(geometric_mean([]))


def test_shared_head_is_cut_to_the_groups_that_a_level_reads():
    preset = presets.get("hyperseg_s_cityscapes")
    *_, third, fourth = preset_blocks(preset)
    # 3676 weights in 16 groups of 230, 32 channels each, from channel 768 on.
    assert (third.groups, third.units, third.start) == (4, 920, 0)
    assert third.offset == 768
    assert (fourth.groups, fourth.units, fourth.start) == (13, 2990, 868 - 3 * 230)
    assert fourth.offset == 768 + 3 * 32
    assert fourth.start + fourth.size <= fourth.units


def test_published_blocks_have_the_shapes_of_the_paper():
    blocks = published_blocks()
    assert len(blocks) == len(set(blocks.values())) == 27
    assert sum(block.hidden > 0 for block in blocks.values()) == 13
    last = blocks["l_camvid/5"]
    assert (last.height, last.width, last.feature_channels) == (768, 1024, 3)


def test_equal_blocks_are_one():
    pair = [("a", POINTWISE), ("b", dataclasses.replace(POINTWISE, halo="neighbour"))]
    assert list(merge_equal(pair)) == ["a = b"]
    assert len(merge_equal([*pair, ("c", RESIDUAL)])) == 2


def test_inputs_are_equal_in_every_process_and_of_ordinary_size():
    one, other = inputs.draw(RESIDUAL), inputs.draw(RESIDUAL)
    np.testing.assert_array_equal(one.head, other.head)
    np.testing.assert_array_equal(one.feature, other.feature)
    assert one.previous.shape == (1, 3, 5, 4)
    assert one.head.shape == (3, 604)
    assert [kernel.shape for kernel in one.kernels] == [(22, 11), (22, 3, 3), (7, 22)]
    assert inputs.draw(POINTWISE).previous is None
