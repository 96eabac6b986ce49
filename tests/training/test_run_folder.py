import math
import zipfile

import keras
import numpy as np
import pytest

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.training.run_folder import (
    RunFolder,
    check_model_file,
    differences,
    save_model,
)


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
        check_model_file(tmp_path / "a.keras")


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
