"""Runs that are ended early, or made longer."""

from datetime import datetime, timedelta

import keras
import pytest

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.training import deadline
from hyperseg_tf.training.run_folder import RunFolder
from hyperseg_tf.training.train import train
from tests.training.test_train import Stop
from tests.training.tiny_run import assert_same_run, build, on_two_devices, recipe


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


@pytest.mark.slow
def test_a_run_goes_on_between_two_steps_whose_gradients_are_averaged(
    data, tmp_path, monkeypatch
):
    options = recipe(accumulate=3)
    for name, stops in (("whole", ()), ("parts", (2, 7))):
        for step in stops:
            with monkeypatch.context() as patch:
                Stop(patch, step)
                with pytest.raises(KeyboardInterrupt):
                    train(options, data, tmp_path / name, _build_model=build)
        result = train(options, data, tmp_path / name, _build_model=build)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")
    plain = train(recipe(), data, tmp_path / "plain", _build_model=build)
    assert [row["lr"] for row in plain.log] == [row["lr"] for row in result.log]
    assert plain.log[0]["loss"] != result.log[0]["loss"]


@pytest.mark.slow
def test_accumulating_on_several_devices_is_refused(data, tmp_path):
    done = on_two_devices(
        f"""
from hyperseg_tf.base.errors import UserError
try:
    train(recipe(accumulate=2), {str(data)!r}, {str(tmp_path / "run")!r},
          devices=devices, _build_model=build)
except UserError as error:
    print(error)
"""
    )
    assert "gradients are accumulated on one device: got accumulate=2" in done.stdout
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_run_ends_when_its_patience_does(data, tmp_path, capsys):
    # A rate that changes nothing: the first epoch stays the best.
    options = recipe(patience=2, epochs=9, learning_rate=1e-9, norm_momentum=0.999)
    out = tmp_path / "run"
    result = train(options, data, out, _build_model=build)
    last = result.best_epoch + 2
    assert result.epochs == last < 9 and result.log[-1]["epoch"] == last
    assert "for 2: the run ends" in capsys.readouterr().err
    again = train(options, data, out, _build_model=build)
    assert again.epochs == last and "2 epochs were no better" in capsys.readouterr().err


@pytest.mark.slow
def test_two_deterministic_runs_end_with_the_same_bits(data, tmp_path):
    code = "train(recipe(epochs=1), {!r}, {!r}, deterministic=True, _build_model=build)"
    for name in "ab":
        on_two_devices(code.format(str(data), str(tmp_path / name)))
    assert_same_run(tmp_path / "a", tmp_path / "b")
