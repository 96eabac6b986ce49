import argparse
import dataclasses
import json
import multiprocessing
import time

import numpy as np
import pytest

from benchmarks import harness


def sleeper(*, threads, milliseconds, height=4, value=1.0):
    outputs = value * np.arange(height * 3, dtype="float32").reshape(1, height, 3, 1)

    def step():
        time.sleep(milliseconds / 1000)
        return outputs

    return {"nap": step}


def failing(*, threads):
    raise KeyError("no such weights")


def competitor(name, **arguments):
    return harness.Competitor(name=name, factory=sleeper, arguments=arguments)


def options(*words):
    parser = argparse.ArgumentParser()
    harness.add_arguments(parser)
    return parser.parse_args(words)


def quick(pair):
    args = options("--quick", "--minutes", "0.05")
    return harness.compare(pair, args, title="", reference="a")


@pytest.fixture(scope="module")
def comparison():
    patience = pytest.MonkeyPatch()
    patience.setattr("benchmarks.harness.turns.WAIT_SECONDS", 0.0)
    pair = [
        competitor("fast", milliseconds=2, value=1.5),
        competitor("slow", milliseconds=10),
    ]
    args = options("--rounds", "2", "--threads", "1", "--minutes", "0.05")
    goals = {("nap", "fast"): 2.0}
    result = harness.compare(pair, args, title="naps", reference="slow", goals=goals)
    patience.undo()
    return result


def with_turns(comparison, fast, slow):
    turns = {("nap", "fast"): fast, ("nap", "slow"): slow}
    return dataclasses.replace(comparison, turns=turns, wanted_rounds=len(fast))


def test_ratio_is_reference_over_own(comparison):
    fast, slow = comparison.rows()
    assert 2 <= fast.min_ms < 10 <= slow.min_ms
    assert fast.ratio == pytest.approx(slow.median_ms / fast.median_ms, rel=0.5)
    assert slow.ratio == 1


def test_ratios_are_formed_pair_by_pair(comparison):
    fast = [harness.Turn(x, 0.0) for x in (1.0, 10.0, 2.0)]
    slow = [harness.Turn(x, 0.0) for x in (3.0, 30.0, 8.0)]
    row, _ = with_turns(comparison, fast, slow).rows()
    assert row.ratio == 3
    assert (row.median_ms, row.min_ms) == (2, 1)


def test_rounds_in_which_others_worked_do_not_count(comparison):
    fast = [harness.Turn(1.0, 0.0), harness.Turn(1.0, 0.0), harness.Turn(1.0, 0.0)]
    slow = [harness.Turn(2.0, 0.0), harness.Turn(90.0, 0.5), harness.Turn(2.0, 0.0)]
    busy = dataclasses.replace(with_turns(comparison, fast, slow), wanted_rounds=2)
    row, _ = busy.rows()
    assert row.ratio == 2
    assert (row.quiet_rounds, row.rounds) == (2, 3)
    assert ">= 2 met" in busy.table()


def test_no_verdict_without_quiet_rounds(comparison):
    turns = [harness.Turn(5.0, 0.5)] * 3
    table = with_turns(comparison, turns, turns).table()
    assert "not judged" in table
    assert "BUSY: nap" in table


def test_missed_goal_is_said(comparison):
    turns = [harness.Turn(5.0, 0.0)] * 3
    assert ">= 2 missed" in with_turns(comparison, turns, turns).table()


def test_difference_of_outputs_is_relative_to_the_largest_value(comparison):
    assert comparison.agreement("nap", "fast") == pytest.approx(0.5)
    assert comparison.agreement("nap", "slow") == 0


def test_json_holds_every_turn(comparison, tmp_path, capsys):
    path = tmp_path / "new" / "result.json"
    harness.report(comparison, options("--json", str(path)))
    data = json.loads(path.read_text())
    assert "naps" in capsys.readouterr().out
    assert data["machine"]["threads"] == 1
    assert [len(entry["turns"]) for entry in data["turns"]] == [
        len(turns) for turns in comparison.turns.values()
    ]


def test_different_work_is_refused():
    pair = [
        competitor("a", milliseconds=0, height=4),
        competitor("b", milliseconds=0, height=5),
    ]
    with pytest.raises(ValueError, match="same work"):
        harness.compare(
            pair, options("--quick", "--minutes", "0.05"), title="", reference="a"
        )


@pytest.mark.slow
def test_vanishing_values_are_refused():
    pair = [
        competitor("a", milliseconds=0),
        competitor("b", milliseconds=0, value=1e-30),
    ]
    with pytest.raises(RuntimeError, match="b, nap: values must be of ordinary size"):
        harness.compare(
            pair, options("--quick", "--minutes", "0.05"), title="", reference="a"
        )


def test_failure_in_a_process_is_told():
    pair = [
        competitor("a", milliseconds=0),
        harness.Competitor(name="b", factory=failing),
    ]
    with pytest.raises(RuntimeError, match="b failed:\n(.|\n)*no such weights"):
        harness.compare(
            pair, options("--quick", "--minutes", "0.05"), title="", reference="a"
        )


@pytest.mark.slow
def test_a_step_can_be_asked_in_its_own_process():
    with harness.Processes([competitor("a", milliseconds=0)], threads=1) as processes:
        processes.build("a")
        assert processes.apply("a", "nap", pixels_and_process, 2) == (24, False)


def pixels_and_process(step, factor):
    return factor * step().size, multiprocessing.parent_process() is None
