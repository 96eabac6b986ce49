import pytest

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.training.run_folder import RunFolder
from hyperseg_tf.training.saving import PARTIAL
from hyperseg_tf.training.train import train
from tests.training.kill_runs import kill_runs
from tests.training.stopped import Stop
from tests.training.tiny_run import assert_same_run, build, recipe


@pytest.mark.slow
def test_the_log_of_a_run_that_was_stopped_is_that_of_one_that_was_not(
    data, tmp_path, monkeypatch
):
    short = recipe(epochs=2)
    train(short, data, tmp_path / "whole", build=build)
    with monkeypatch.context() as patch:
        Stop(patch, 3)
        with pytest.raises(KeyboardInterrupt):
            train(short, data, tmp_path / "run", build=build)
    (state,) = RunFolder(tmp_path / "run").read_facts()[PARTIAL]
    assert state["step"] == 3 and state["loss"][1] == 3 * 2
    train(short, data, tmp_path / "run", build=build)
    assert_same_run(tmp_path / "run", tmp_path / "whole")
    assert PARTIAL not in RunFolder(tmp_path / "run").read_facts()


@pytest.mark.slow
def test_a_run_killed_while_it_saves_ends_like_one_that_was_not(tmp_path):
    assert kill_runs(tmp_path, kills=1, devices=2) == 1


def test_minutes_are_not_negative(data, tmp_path):
    with pytest.raises(UserError, match="save_every must be at least 0 minutes: got"):
        train(recipe(), data, tmp_path / "run", save_every=-1.0, build=build)
