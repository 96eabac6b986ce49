import importlib
import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from hyperseg_tf import pipelines
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.evaluation import leak
from hyperseg_tf.evaluation.evaluate import evaluate
from tests.tiny_segmenter import by_brightness, write_data


@pytest.fixture
def data(tmp_path):
    """Three pictures to train on and three others, all unlike each other."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 3), ("val", 3)):
        labels = [rng.integers(0, 2, (3, 4)).repeat(10, 0).repeat(9, 1) for _ in "abc"]
        write_data(tmp_path / "data", labels[:count], split)
    return tmp_path / "data"


@pytest.fixture
def run(tmp_path, data):
    """The folder of a run, without its model."""
    return write_run(tmp_path / "run", data)


def write_run(folder, data, **changes):
    folder.mkdir()
    recipe = {"train_splits": ["train"], "split_val": 0.0, "read_labels": "", **changes}
    facts = {"recipe": recipe, "data": {"directory": str(data)}}
    (folder / "run.json").write_text(json.dumps(facts))
    return folder


def refused(run, data, split="val", kind="exact"):
    dataset = pipelines.open_dataset(data, split)
    return leak.refuse_leak(run / "model.keras", dataset, kind)


def test_other_pictures_are_scored_and_those_of_the_training_refused(run, data):
    assert refused(run, data) == refused(run, data, kind="allow") == ""
    with pytest.raises(UserError, match=r"3 of 3 images.*: 0, 1, 2; .*--allow-l"):
        refused(run, data, "train")
    assert "3 of 3 images were trained on" in refused(run, data, "train", "allow")


def test_a_copy_under_another_name_is_found(run, data):
    shutil.copy(data / "train/images/1.png", data / "val/images/2.png")
    with pytest.raises(UserError, match=r"1 of 3 images of .*val\): 2;"):
        refused(run, data)
    # Of the same length alone, it is another.
    contents = bytearray((data / "val/images/2.png").read_bytes())
    contents[-20] ^= 1
    (data / "val/images/2.png").write_bytes(contents)
    assert refused(run, data) == ""


def test_a_link_to_the_training_is_found(run, data):
    path = data / "val/images/0.png"
    path.unlink()
    os.symlink(data / "train/images/0.png", path)
    with pytest.raises(UserError, match="1 of 3"):
        refused(run, data)


def test_what_was_held_back_was_not_trained_on(tmp_path, data):
    run = write_run(tmp_path / "held", data, split_val=0.3)
    rest, held = pipelines.hold_back(pipelines.open_dataset(data, "train"), 0.3, "val")
    assert leak.refuse_leak(run, held, "exact") == ""
    with pytest.raises(UserError, match="2 of 2"):
        leak.refuse_leak(run, rest, "exact")


def test_fingerprints_tell_it_where_the_folder_has_moved(run, data):
    for path in data.rglob("*.png"):
        os.utime(path, ns=(10**18, 10**18))
    dataset = pipelines.open_dataset(data, "train")
    facts = json.loads((run / "run.json").read_text())
    facts["data"]["directory"] = "gone"
    (run / "run.json").write_text(json.dumps(facts))
    said = refused(run, data, "train")
    assert "not known whether" in said and "gone" in said
    facts["checked"] = {"train": pipelines.fingerprint(dataset)}
    (run / "run.json").write_text(json.dumps(facts))
    with pytest.raises(UserError, match="3 of 3"):
        refused(run, data, "train")


def test_nearly_the_same_pictures_are_found_on_demand(run, data):
    noise = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    picture = Image.fromarray(noise).resize((64, 64), Image.Resampling.BICUBIC)
    picture.save(data / "train/images/1.png")
    picture.point(lambda value: value // 2 + 60).save(data / "val/images/2.png")
    assert refused(run, data) == ""
    with pytest.raises(UserError, match=r"1 = 2.*--near-leak"):
        refused(run, data, kind="near")


def test_near_pictures_without_the_package_for_it_are_no_silence(
    run, data, monkeypatch
):
    monkeypatch.setattr(leak.duplicates, "hasher", lambda: None)
    with pytest.raises(UserError, match="pip install.*--near-leak"):
        refused(run, data, kind="near")


@pytest.mark.slow
def test_a_real_run_says_what_it_was_trained_on(tmp_path):
    from hyperseg_tf.training.train import train
    from tests.training import tiny_run

    data = tiny_run.write_data(tmp_path / "data")
    small = tiny_run.recipe(epochs=1)
    train(small, data, tmp_path / "run", build=tiny_run.build)
    assert refused(tmp_path / "run", data) == ""
    with pytest.raises(UserError, match="7 of 7 images"):
        refused(tmp_path / "run", data, "train")


def test_a_run_that_cannot_be_read_is_said_and_no_run_is_nothing(tmp_path, run, data):
    assert refused(tmp_path, data, "train") == ""
    for text in ("{", "[]", '{"recipe": 7}', '{"recipe": {}, "data": {}}'):
        (run / "run.json").write_text(text)
        assert "does not say" in refused(run, data, "train")


def test_evaluate_refuses_and_says_it(run, data, monkeypatch):
    model = by_brightness()
    module = importlib.import_module("hyperseg_tf.evaluation.evaluate")
    monkeypatch.setattr(module, "open_model", lambda path: model)
    with pytest.raises(UserError, match="was not trained on"):
        evaluate(run / "model.keras", data, split="train")
    result = evaluate(run / "model.keras", data, split="train", leak="allow")
    assert result.leak in result.table() and "says too much" in result.leak
    assert result.as_data()["leak"] == result.leak
    assert evaluate(model, data, split="train").leak == ""
    with pytest.raises(ValueError, match="exact, near, allow: got 'no'"):
        evaluate(model, data, leak="no")
