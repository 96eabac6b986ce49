import argparse
from pathlib import Path

import pytest

from benchmarks import harness, network_cpu
from benchmarks.network_cpu import FROZEN, ONNX, TORCH


def comparison(latencies_ms, others=0.0):
    """One round of `others`-disturbed turns by (part, name)."""
    return harness.Comparison(
        title="",
        reference=TORCH,
        threads=1,
        one_process=False,
        machine={},
        turns={k: [harness.Turn(ms, others)] for k, ms in latencies_ms.items()},
        outputs={},
        goals={},
        wanted_rounds=1,
    )


MEASURED = {
    ("network", FROZEN): 100.0,
    ("network", TORCH): 700.0,
    ("network", ONNX): 150.0,
    ("decoder", FROZEN): 20.0,
    ("decoder", TORCH): 350.0,
    ("decoder", ONNX): 60.0,
}


def test_the_ratio_to_onnx_runtime_is_held_against_its_own_goal():
    network, decoder = network_cpu.against_onnx(comparison(MEASURED), 1.4)
    assert network.startswith("network: ") and " 1.50 " in network
    assert network.endswith("goal >= 1.4 met.")
    assert " 3.00 " in decoder and "goal" not in decoder
    missed, _ = network_cpu.against_onnx(comparison(MEASURED), 1.6)
    assert missed.endswith("goal >= 1.6 missed.")


def test_the_decoders_share_is_of_its_own_network():
    ours, torch, onnx = network_cpu.shares(comparison(MEASURED), 0.15)
    assert "20.0% of its network, goal <= 15% missed" in ours
    assert "50.0% of its network." in torch and "40.0% of its network." in onnx


def test_without_quiet_rounds_nothing_is_judged():
    busy = comparison(MEASURED, others=0.5)
    for lines in (
        network_cpu.against_onnx(busy, 1.4),
        network_cpu.shares(busy, 0.25),
    ):
        assert lines[0].endswith("not judged.")


@pytest.mark.parametrize(
    ("several", "name"), [(True, "result_2_threads.json"), (False, "result.json")]
)
def test_each_number_of_threads_has_a_file_of_its_own(several, name):
    args = argparse.Namespace(threads=[1, 2], json=Path("a/result.json"), quick=True)
    one = network_cpu._with_threads(args, 2, several)
    assert (one.threads, one.json) == (2, Path("a") / name)
    assert args.threads == [1, 2] and args.json == Path("a/result.json")
