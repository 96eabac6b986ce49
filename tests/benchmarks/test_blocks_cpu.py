import dataclasses

import numpy as np
import pytest

from benchmarks import blocks_cpu, harness
from benchmarks.blocks.work import Roofs, dynamic_work
from tests.benchmarks.test_blocks import POINTWISE, RESIDUAL

LATENCIES_MS = {
    "fused": (2.0, 2.0, 4.0),
    "xla": (6.0, 8.0, 16.0),
    "einsum": (20.0, 20.0, 40.0),
    "torch": (10.0, 10.0, 20.0),
    "static, tf.function": (4.0, 4.0, 8.0),
    "static, frozen": (3.0, 3.0, 6.0),
}
LIMITS = Roofs(flops_per_second=1e9, bytes_per_second=1e12)


def comparison(others=0.0, difference=0.0):
    values = np.arange(12.0, dtype="float32").reshape(1, 3, 4, 1)
    turns, outputs = {}, {}
    for part in ("a", "b"):
        for name, latencies in LATENCIES_MS.items():
            turns[part, name] = [harness.Turn(ms, others) for ms in latencies]
            off = difference if name == "torch" else 0.0
            outputs[part, name] = harness.Output((1, 3, 4, 1), True, 1.0, values + off)
    return harness.Comparison(
        title="",
        reference="einsum",
        threads=1,
        one_process=False,
        machine=harness.describe_machine(1),
        turns=turns,
        outputs=outputs,
        goals={},
        wanted_rounds=3,
    )


def run(others=0.0, quick=False):
    blocks = {"a": RESIDUAL, "b": POINTWISE}
    compared = comparison(others)
    rows = [
        blocks_cpu.measured(label, block, compared, LIMITS)
        for label, block in blocks.items()
    ]
    return {
        "threads": 1,
        "quick": quick,
        "machine": dict(compared.machine),
        "roofs": dataclasses.asdict(LIMITS),
        "blocks": rows,
        "summary": blocks_cpu.summary(rows),
        "decoders": blocks_cpu.decoders(rows),
    }


def test_speed_is_the_other_over_fused_by_pairs():
    row = run()["blocks"][0]
    assert row["speedup"] == {"xla": 4.0, "einsum": 10.0, "torch": 5.0, "static": 1.5}


def test_faster_form_of_the_static_block_counts():
    row = run()["blocks"][0]
    assert row["static_form"] == "static, frozen"
    assert row["median_ms"]["static"] == 3.0


def test_share_of_the_floor_is_its_time_over_that_of_fused():
    row = run()["blocks"][0]
    work = dynamic_work(RESIDUAL)
    assert row["floor_ms"] == pytest.approx(work.flops / 1e6)
    assert row["of_floor"] == pytest.approx(work.flops / 1e6 / 2)
    bare = (work.flops - work.halo_flops) / 1e6 / 2
    assert row["of_floor_without_halo"] == pytest.approx(bare)


def test_means_are_over_inverted_residuals_only():
    means = run()["summary"]
    assert means["blocks"] == 1
    assert means["speedup"]["xla"] == pytest.approx(4.0)
    assert means["quiet"]


def test_goals_are_judged_on_a_quiet_machine():
    lines = "\n".join(blocks_cpu.table(run()))
    assert "4.00 times as fast as xla (goal >= 2.5: met)" in lines
    assert "1.50 times as fast as static (goal >= 1.3: met)" in lines
    assert "(goal >= 50%: missed)" in lines


def test_decoders_are_the_sums_of_their_blocks():
    rows = [
        {"label": "m/0", "median_ms": dict.fromkeys(blocks_cpu.WAYS, 1.0)},
        {"label": "m/1 = s/0", "median_ms": dict.fromkeys(blocks_cpu.WAYS, 2.0)},
    ]
    sums = blocks_cpu.decoders(rows)
    assert {model: ms["fused"] for model, ms in sums.items()} == {"m": 3.0, "s": 2.0}


@pytest.mark.parametrize("how", [{"others": 0.5}, {"quick": True}])
def test_nothing_is_judged_on_a_busy_machine_or_in_a_quick_run(how):
    lines = "\n".join(blocks_cpu.table(run(**how)))
    assert lines.count("not judged") == 3


def test_other_numbers_of_a_dynamic_block_are_refused():
    blocks_cpu.check_agreement(comparison(difference=1e-6))
    with pytest.raises(RuntimeError, match="torch, a: must give what einsum gives"):
        blocks_cpu.check_agreement(comparison(difference=0.1))


@pytest.mark.slow
@pytest.mark.parametrize("halo", ["patch", "neighbour"])
@pytest.mark.parametrize("block", [RESIDUAL, POINTWISE], ids=["residual", "pointwise"])
def test_all_dynamic_ways_compute_the_same(block, halo):
    from benchmarks.blocks import tensorflow_blocks
    from benchmarks.peers import torch_block

    block = dataclasses.replace(block, halo=halo)
    want = tensorflow_blocks._dynamic_step(block, "einsum")().numpy()
    xla = tensorflow_blocks._dynamic_step(block, "xla")().numpy()
    torch = torch_block._step(block)().numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(xla, want, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(torch, want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("frozen", [False, True])
def test_static_block_is_the_dynamic_one_with_one_kernel_for_all(frozen):
    from benchmarks.blocks import inputs, tensorflow_blocks
    from hyperseg_tf.ops.block import Block
    from hyperseg_tf.ops.path import PLAIN

    values = inputs.draw(RESIDUAL)
    weights = np.concatenate([kernel.ravel() for kernel in values.kernels])
    weights = np.tile(weights, (1, RESIDUAL.rows, RESIDUAL.columns, 1))
    block = Block(7, 3, 2, "patch", "reflect", True, 0.0, PLAIN["einsum", False])
    norms = [(bias,) for bias in values.biases]
    want, _ = block(values.feature, values.previous, weights, norms)
    got = tensorflow_blocks._static_step(RESIDUAL, frozen)()
    got = got[0] if isinstance(got, list) else got
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)
