import errno
import math
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.network.model_file import check_complete
from hyperseg_tf.training.run_folder import RunFolder, differences, save_model
from tests.read_only import read_only_folder

ROOT = Path(__file__).parents[2]


def model(units=2):
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(units)])


def test_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "latest.keras"
    save_model(model(), path)
    before = path.read_bytes()
    other = model()

    def half_a_file(target):
        target.write_bytes(before[:100])

    monkeypatch.setattr(other, "save", half_a_file)
    with pytest.raises(UserError, match="damaged"):
        save_model(other, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_checkpoint_without_weights_is_damaged(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(UserError, match="no model.weights.h5"):
        check_complete(tmp_path / "a.keras")


def test_saved_models_keep_their_weights(tmp_path):
    saved = model()
    save_model(saved, tmp_path / "a.keras")
    for a, b in zip(
        saved.weights,
        keras.models.load_model(tmp_path / "a.keras").weights,
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_log_round_trip(tmp_path):
    folder = RunFolder(tmp_path)
    assert folder.read_log() == []
    folder.write_log([{"epoch": 1, "step": 7, "loss": 0.1, "iou/car": math.nan}])
    (row,) = folder.read_log()
    assert (row["epoch"], row["step"], row["loss"]) == (1, 7, 0.1)
    assert math.isnan(row["iou/car"])


def test_unreadable_facts_are_named(tmp_path):
    folder = RunFolder(tmp_path)
    assert folder.read_facts() is None
    folder.facts.write_text("{")
    with pytest.raises(UserError, match="run.json cannot be read.*--fresh"):
        folder.read_facts()


def test_leftovers_of_a_kill_are_deleted_and_nothing_else(tmp_path):
    folder = RunFolder(tmp_path)
    kept = [tmp_path / ".model.keras", tmp_path / ".notes.keras", tmp_path / "x.keras"]
    gone = [tmp_path / ".model.0a1b2c3d.keras", tmp_path / ".log.0a1b2c3d.csv"]
    for path in kept + gone:
        path.touch()
    folder.discard_leftovers()
    assert sorted(tmp_path.iterdir()) == sorted(kept)


def test_only_what_changes_the_result_makes_another_run():
    def facts(**changes):
        recipe = {"epochs": 3, "cache": None, "overlays": 4} | changes
        return {"recipe": recipe, "data": {"directory": "a", "train_samples": 7}}

    moved = facts(cache=True, overlays=0)
    moved["data"]["directory"] = "b"
    assert differences(facts(), moved) == []
    assert differences(facts(), facts(epochs=4)) == ["epochs: 3, now 4"]
    # A field younger than the run.
    assert differences(facts(), facts(colour="new")) == []


def hold(folder, before_the_end="sys.stdin.read()"):
    """Lock a folder from another process; return the process once it does."""
    code = f"""
import sys
import tempfile
from pathlib import Path
from hyperseg_tf.training.run_folder import RunFolder
with RunFolder(Path({str(folder.path)!r})).locked():
    (Path({str(folder.path)!r}) / "notes.txt").touch()
    print("locked", flush=True)
    {before_the_end}
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout.readline() == "locked\n"
    return process


@pytest.mark.slow
def test_folder_in_use_is_refused_at_once_until_its_process_is_killed(tmp_path):
    folder = RunFolder(tmp_path / "run")
    with hold(folder) as process:
        start = time.monotonic()
        with pytest.raises(UserError, match="run is in use; wait.*--out") as caught:
            with folder.locked():
                pytest.fail("two trainings in one folder")
        assert time.monotonic() - start < 1
        assert "\n" not in str(caught.value)
        process.kill()
        process.wait()
        with folder.locked():
            assert folder.lock.exists()


def test_lock_leaves_a_new_folder_only_if_something_was_written(tmp_path):
    folder = RunFolder(tmp_path / "runs" / "a")
    with pytest.raises(ZeroDivisionError), folder.locked():
        assert folder.path.is_dir()
        1 / 0  # noqa: B018
    assert not folder.path.exists()
    with folder.locked():
        folder.write_facts({"a": 1})
    assert folder.read_facts() == {"a": 1}
    mine = RunFolder(tmp_path / "mine")
    mine.path.mkdir()
    with mine.locked():
        pass
    assert mine.path.is_dir()


def test_folder_that_is_a_file_or_below_one_is_refused(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(UserError, match="folder that can be written.*--out"):
            with RunFolder(path).locked():
                pytest.fail("locked a file")


def test_folder_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    def acquire(lock):
        raise PermissionError(errno.EACCES, "Permission denied", lock.lock_file)

    monkeypatch.setattr("filelock.FileLock.acquire", acquire)
    with pytest.raises(UserError, match="run: Permission denied; .*permissions"):
        with RunFolder(tmp_path / "run").locked():
            pytest.fail("locked a folder of somebody else")


@pytest.fixture
def read_only():
    with read_only_folder() as folder:
        yield folder


@pytest.mark.parametrize("inside", [".", "run"])
def test_read_only_folder_is_refused(read_only, inside):
    with pytest.raises(UserError, match="folder that can be written"):
        with RunFolder(read_only / inside).locked():
            pytest.fail("locked a read-only folder")


def test_run_goes_on_only_with_its_facts_and_a_state(tmp_path):
    folder = RunFolder(tmp_path)
    facts = {"recipe": {"epochs": 3}, "data": {"train_samples": 7}}
    assert folder.resumable(facts) is None
    folder.write_facts(facts | {"best": None})
    assert folder.resumable(facts) is None  # killed before the first state
    save_model(model(), folder.latest)
    assert folder.resumable(facts) == facts | {"best": None}
    with pytest.raises(UserError, match="epochs: 3, now 4.*--fresh"):
        folder.resumable({**facts, "recipe": {"epochs": 4}})
    folder.latest.write_bytes(b"half")
    with pytest.raises(UserError, match="latest.keras is not .*damaged"):
        folder.resumable(facts)


@pytest.mark.parametrize("name", ["model.keras", "latest.keras", "log.csv"])
def test_folder_of_something_else_is_refused(name, tmp_path):
    (tmp_path / name).touch()
    with pytest.raises(UserError, match=f"holds {name} without one.*--fresh"):
        RunFolder(tmp_path).resumable({})


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "epoch,step\nx,1\n", "epoch,step\n1\n"])
def test_a_log_of_something_else_is_named(tmp_path, text):
    folder = RunFolder(tmp_path)
    folder.log.write_text(text)
    with pytest.raises(UserError, match="log.csv does not .*delete it or start"):
        folder.read_log()


@pytest.mark.parametrize("text", ["[]", "3", '{"recipe": 1}', "[" * 100_000])
def test_facts_that_are_no_object_are_named(tmp_path, text):
    folder = RunFolder(tmp_path)
    folder.facts.write_text(text)
    with pytest.raises(UserError, match="run.json cannot be read"):
        folder.read_facts()
