import math

import pytest

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.recipes import Prune
from hyperseg_tf.training.plan import PLAN, Plan, changed
from hyperseg_tf.training.train import train
from tests.training.stopped import stop_after
from tests.training.tiny_run import assert_same_run, build, recipe


def _plan(**changes):
    """Three epochs of four steps."""
    return Plan(recipe(**changes))


def _rates(plan, steps):
    rate = plan.schedule()
    return [float(rate(step)) for step in steps]


def _ends(plan, step=0):
    """Steps at which epochs end, as `fit` is called."""
    found = []
    for first, end, count in plan.spans(step):
        for number in range(first, end):
            step += count
            found.append(step)
            assert plan.done(step) == number + 1 and not plan.mid_epoch(step)
            assert all(plan.mid_epoch(step - i) for i in range(1, count))
    return found


def test_an_unchanged_plan_is_the_recipe_s():
    plan = _plan()
    assert (plan.until, plan.epochs, plan.as_data()) == (12, 3, [])
    assert _ends(plan) == [4, 8, 12] and _ends(plan, 5) == [8, 12]
    assert list(plan.spans(5)) == [(1, 2, 3), (2, 3, 4)]
    assert list(plan.spans(12)) == []


def test_annealing_goes_on_from_the_rate_of_the_moment():
    plan = _plan().annealed(5, 4)
    assert plan.until == 9 and plan.epochs == 3
    assert _ends(plan, 5) == [8, 9]
    assert _rates(plan, range(6)) == _rates(_plan(), range(6))
    now = _rates(_plan(), [5])[0]
    expected = [now * ((9 - step) / 4) ** 0.9 for step in range(5, 10)]
    assert _rates(plan, range(5, 10)) == pytest.approx(expected, rel=1e-6)


def test_a_rate_that_stands_still_in_an_epoch_falls_by_the_step_at_the_end():
    rates = _rates(_plan(decay="epoch").annealed(1, 2), range(4))
    assert rates[0] == rates[1] > rates[2] > rates[3] == 0


def test_an_extended_run_has_the_rate_of_a_longer_one():
    ended = _plan().annealed(5, 4)
    plan = ended.extended(9, 5)
    assert (plan.until, plan.epochs) == (20, 6)  # the third was cut short
    assert _ends(plan, 9) == [12, 16, 20]
    assert list(plan.spans(9)) == [(3, 4, 3), (4, 6, 4)]
    assert _rates(plan, range(9, 20)) == _rates(_plan(epochs=5), range(9, 20))
    assert _rates(plan, range(9)) == _rates(ended, range(9))


def test_an_end_that_was_not_reached_ends_no_epoch():
    plan = _plan().annealed(2, 3).extended(4, 4)
    assert _ends(plan, 4) == [8, 12, 16]
    again = _plan().annealed(2, 7).annealed(2, 3)
    assert len(again.stages) == 2 and again.until == 5


def test_warm_up_counts_from_the_first_step_of_all():
    plan = _plan(warmup_steps=4).annealed(1, 5)
    whole = _rates(_plan().annealed(1, 5), range(6))
    shares = [min(step + 1, 4) / 4 for step in range(6)]
    expected = [rate * share for rate, share in zip(whole, shares, strict=True)]
    assert _rates(plan, range(6)) == pytest.approx(expected, rel=1e-6)


def test_run_json_keeps_the_plan():
    plan = _plan().annealed(5, 4).extended(9, 5)
    again = Plan.of(recipe(), {PLAN: plan.as_data()})
    assert again.stages == plan.stages
    assert Plan.of(recipe(), {}).stages == Plan.of(recipe(), None).stages


def test_the_optimizer_s_config_keeps_the_rates():
    schedule = _plan(warmup_steps=3).annealed(5, 4).schedule()
    again = type(schedule).from_config(schedule.get_config())
    assert [float(again(i)) for i in range(9)] == [float(schedule(i)) for i in range(9)]


STAGE = _plan().annealed(5, 4).as_data()[0]


@pytest.mark.parametrize(
    "stages",
    [
        3,
        [3],
        [{"start": 1}],
        "x",
        [STAGE | {"until": 5}],
        [STAGE | {"until": math.inf}],
        [STAGE | {"initial": math.nan}],
        [STAGE | {"kind": "other"}],
    ],
)
def test_a_damaged_plan_is_named(stages):
    with pytest.raises(UserError, match=r"run\.json .* its plan cannot be read"):
        Plan.of(recipe(), {PLAN: stages})


def test_the_same_command_changes_a_run_once():
    plan = changed(_plan(), 5, anneal=4, extend=None)
    assert changed(plan, 7, anneal=4, extend=None) is plan
    assert changed(plan, 7, anneal=1, extend=None).until == 8
    plan = changed(plan, 9, anneal=None, extend=5)
    assert changed(plan, 13, anneal=None, extend=5) is plan
    assert changed(plan, 13, None, None) is plan


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"anneal": 0}, "annealed in at least 1 step: got 0"),
        ({"extend": 3}, r"3 epochs of 4 steps are 12 steps, and it has 12; give more"),
        ({"anneal": 1, "extend": 4}, "ended early or extended: got both"),
    ],
)
def test_a_change_that_cannot_be_is_refused(change, message):
    with pytest.raises(UserError, match=message):
        changed(_plan(), 5, **{"anneal": None, "extend": None, **change})


def test_a_run_that_prunes_keeps_its_length():
    pruned = _plan(prune=Prune(sparsity=0.5))
    for call in (lambda: pruned.annealed(1, 2), lambda: pruned.extended(1, 9)):
        with pytest.raises(UserError, match="a run that prunes takes its time"):
            call()


def _go(data, out, **options):
    return train(recipe(), data, out, build=build, **options)


def _told(result):
    return [(row["step"], row["loss"], row["val_miou"]) for row in result.log]


@pytest.mark.slow
def test_an_annealed_run_that_is_stopped_ends_like_one_that_is_not(
    data, tmp_path, monkeypatch
):
    for name, stops in (("whole", ()), ("parts", (6, 9))):
        out = tmp_path / name
        stop_after(5, monkeypatch, recipe(), data, out)
        for step in stops:
            stop_after(step, monkeypatch, recipe(), data, out, anneal=5)
        result = _go(data, out, anneal=5)
        assert [row["step"] for row in result.log] == [4, 8, 10]
        assert 0 < result.log[2]["lr"] < result.log[1]["lr"] < result.log[0]["lr"]
    assert_same_run(tmp_path / "whole", tmp_path / "parts")

    # It is over, and goes on only where more is asked.
    again = _go(data, out, anneal=5)
    assert _told(again) == _told(result) and again.epochs == 3
    longer = _go(data, out, extend=4)
    assert [row["step"] for row in longer.log] == [4, 8, 10, 12, 16]
    assert _told(longer)[:3] == _told(result) and longer.epochs == 5
    assert longer.log[3]["lr"] == pytest.approx(0.03 * (1 - 11 / 16) ** 0.9)
    with pytest.raises(UserError, match="and it has 16; give more epochs"):
        _go(data, out, extend=3)
