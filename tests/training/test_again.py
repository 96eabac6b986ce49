import json
import os
import subprocess
from pathlib import Path

import pytest

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.training import environment
from hyperseg_tf.training.again import recorded
from hyperseg_tf.training.train import train
from tests.training.tiny_run import assert_same_run, build, recipe, write_data


def old_data(folder, train):
    """Data of yesterday: what has just been written may change again unseen."""
    write_data(folder, train=train)
    for path in folder.rglob("*"):
        os.utime(path, (1e9 + train, 1e9 + train))
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("again")
    data = old_data(folder / "data", 7)
    train(recipe(epochs=1), data, folder / "run", build=build)
    return folder


@pytest.mark.slow
def test_a_run_says_on_what_it_was_made(run):
    facts = json.loads((run / "run/run.json").read_text())
    found = facts["environment"]
    assert found == environment.environment()
    assert found["backend"] == "tensorflow" and found["cores"] >= 1
    assert any(name.startswith("CPU") for name in found["devices"])


@pytest.mark.slow
def test_a_run_is_repeated_from_its_folder(run):
    first = recorded(run / "run")
    assert first.recipe == recipe(epochs=1) and first.data == run / "data"
    assert first.differences() == []
    train(first.recipe, first.data, run / "again", build=build)
    assert_same_run(run / "run", run / "again")


@pytest.mark.slow
def test_what_is_otherwise_now_is_named(run, tmp_path):
    old_data(tmp_path / "data", 8)
    facts = json.loads((run / "run/run.json").read_text())
    facts["data"]["directory"] = str(tmp_path / "data")
    facts["versions"]["keras"] = "3.0.0"
    (tmp_path / "run.json").write_text(json.dumps(facts))
    found = recorded(tmp_path).differences()
    assert any("had keras 3.0.0, here it is" in line for line in found)
    assert any("files of train are others than" in line for line in found)
    assert len(found) == 3  # those of val, too: their times are others


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (None, "a run has a run.json"),
        ({"recipe": {"preset": 3}}, "where the data are"),
        ({"recipe": 3, "data": {"directory": "x"}}, "run.json describes"),
        ({"recipe": {"colour": 3}, "data": {"directory": "x"}}, "fields of a recipe"),
    ],
)
def test_what_is_no_run_is_named(tmp_path, facts, said):
    if facts is not None:
        (tmp_path / "run.json").write_text(json.dumps(facts))
    with pytest.raises(UserError, match=said):
        recorded(tmp_path)


def test_the_state_of_a_checkout_is_its_commit(tmp_path):
    assert environment.git_state(tmp_path) is None
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    assert environment.git_state(tmp_path) is None  # no commit yet
    (tmp_path / "x").write_text("1")
    subprocess.run([*git, "add", "x"], check=True)
    subprocess.run([*git, "commit", "-qm", "x"], check=True)
    commit = environment.git_state(tmp_path)
    assert len(commit) == 40
    (tmp_path / "x").write_text("2")
    assert environment.git_state(tmp_path) == commit + "+changes"
    assert environment.git_state(Path(tmp_path) / "below") is None
