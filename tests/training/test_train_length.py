"""Runs that are ended early, or made longer."""

from datetime import datetime, timedelta

import keras
import pytest

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.training import deadline
from hyperseg_tf.training.run_folder import RunFolder
from hyperseg_tf.training.train import train
from tests.training.test_train import Stop
from tests.training.tiny_run import assert_same_run, build, recipe


def _go(data, out, **options):
    return train(recipe(), data, out, _build_model=build, **options)


def _told(result):
    return [(row["step"], row["loss"], row["val_miou"]) for row in result.log]


@pytest.mark.slow
def test_an_annealed_run_that_is_stopped_ends_like_one_that_is_not(
    data, tmp_path, monkeypatch
):
    for name, stops in (("whole", ()), ("parts", (6, 9))):
        out = tmp_path / name
        with monkeypatch.context() as patch:
            Stop(patch, 5)
            with pytest.raises(KeyboardInterrupt):
                _go(data, out)
        for step in stops:
            with monkeypatch.context() as patch:
                Stop(patch, step)
                with pytest.raises(KeyboardInterrupt):
                    _go(data, out, anneal=5)
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


@pytest.mark.slow
def test_a_run_without_time_is_shortened_and_ready(data, tmp_path, monkeypatch):
    monkeypatch.setattr(deadline, "_FIRST", 2)
    out = tmp_path / "run"
    end = datetime.now() + timedelta(seconds=40)
    result = train(
        recipe(epochs=10_000, overlays=0), data, out, finish_by=end, _build_model=build
    )
    assert (datetime.now() - end).total_seconds() < 20
    facts = RunFolder(out).read_facts()
    stage = facts["plan"][-1]
    assert stage["kind"] == "anneal" and result.log[-1]["step"] == stage["until"]
    model = keras.models.load_model(out / "latest.keras")
    assert int(model.optimizer.iterations) == stage["until"]


def test_a_time_that_is_over_is_refused(data, tmp_path):
    with pytest.raises(UserError, match="a time to finish by lies ahead"):
        _go(data, tmp_path / "run", finish_by=datetime(2020, 1, 1))
    assert not (tmp_path / "run").exists()
