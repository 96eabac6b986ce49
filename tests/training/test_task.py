import json
import os
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from hyperseg_tf import pipelines
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.pixels import normalise
from hyperseg_tf.pipelines import load_sample
from hyperseg_tf.training import processes
from hyperseg_tf.training.task import Task
from tests.training.tiny_run import recipe, write_data


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


def test_void_may_be_the_last_class(data):
    task = Task.open(recipe(), data)
    assert task.names == ("left", "right", "never")
    assert task.colours == ((255, 0, 0), (0, 255, 0), (0, 0, 255))
    with_void = Task.open(recipe(void_is_class=True), data)
    assert with_void.names == (*task.names, "void")
    assert with_void.colours == (*task.colours, (0, 0, 0))


@pytest.mark.slow
def test_void_pixels_have_its_label_in_every_batch(data):
    with_void = Task.open(recipe(void_is_class=True), data)
    for batches in (with_void.evaluation_batches(), with_void.overlay_samples()):
        for _, labels in batches:
            assert 3 in np.unique(labels) and 255 not in np.unique(labels)
    # Here crops pad with void that stays ignored.
    found = [
        np.unique(labels) for _, labels in with_void.train_batches(0).batches.take(5)
    ]
    assert 3 in np.concatenate(found)
    without = Task.open(recipe(), data)
    for _, labels in without.evaluation_batches():
        assert 255 in np.unique(labels) and 3 not in np.unique(labels)


def test_training_batches_go_on_from_a_step(data):
    task = Task.open(recipe(), data)
    as_bytes, _ = next(iter(task.train_batches(0, as_bytes=True)))
    assert as_bytes.dtype == "uint8" and task.can_feed_bytes
    from_start = list(task.train_batches(0).batches.take(5))
    from_step = list(task.train_batches(3).batches.take(2))
    for (a, b), (c, d) in zip(from_start[3:], from_step, strict=True):
        np.testing.assert_array_equal(a, c)
        np.testing.assert_array_equal(b, d)
    image, label = from_step[0]
    assert image.shape == (2, 12, 14, 3) and label.shape == (2, 12, 14)


def test_every_validation_sample_comes_once_in_order(data):
    task = Task.open(recipe(), data)
    batches = list(task.evaluation_batches())
    assert [len(images) for images, _ in batches] == [2, 1]
    images = np.concatenate([images for images, _ in batches])
    for i, image in enumerate(images):
        want = normalise(load_sample(task.evaluate_set, i)["image"])
        np.testing.assert_allclose(image, want, atol=1e-6)


@pytest.mark.parametrize("overlays, chosen", [(0, []), (2, [0, 2]), (9, [0, 1, 2])])
def test_overlay_samples_are_spread_over_the_data(overlays, chosen, data):
    task = Task.open(recipe(overlays=overlays), data)
    samples = task.overlay_samples()
    assert len(samples) == len(chosen)
    for (image, label), i in zip(samples, chosen, strict=True):
        want = load_sample(task.evaluate_set, i)
        np.testing.assert_array_equal(label, want["label"])
        np.testing.assert_allclose(image, normalise(want["image"]), atol=1e-6)


def test_facts_name_recipe_and_data(data):
    task = Task.open(recipe(train_splits=("train", "val"), void_is_class=True), data)
    facts = task.facts()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["recipe"] == task.recipe.as_data()
    assert facts["data"] == {
        "directory": str(data),
        "train_samples": 10,
        "evaluate_samples": 3,
        "classes": ["left", "right", "never", "void"],
    }


@pytest.mark.parametrize("split", ["train", "val"])
def test_both_splits_are_read_before_training(split, tmp_path):
    broken = write_data(tmp_path)
    (broken / split / "images" / "1.png").write_bytes(b"no picture")
    task = Task.open(recipe(), broken)
    with pytest.raises(UserError, match="1.png"):
        task.require()


def test_split_that_is_missing_is_named(data):
    with pytest.raises(UserError, match="test"):
        Task.open(replace(recipe(), evaluate_split="test"), data)


def test_where_the_data_know_two_kinds_of_void_only_one_is_learnt(tmp_path):
    colours = np.array([[(128, 64, 128), (0, 0, 0), (1, 2, 3)]], np.uint8)
    for split in ("train", "val"):
        for folder, name in ((split, "a.png"), (f"{split}_labels", "a_L.png")):
            (tmp_path / folder).mkdir()
            Image.fromarray(colours).save(tmp_path / folder / name)
    task = Task.open(recipe(void_is_class=True, evaluate_batch_size=1), tmp_path)
    assert len(task.names) == len(task.colours) == 12 and task.names[11] == "void"
    ((_, label),) = task.overlay_samples()
    assert label.tolist() == [[3, 11, 255]]
    without = Task.open(recipe(evaluate_batch_size=1), tmp_path)
    ((_, label),) = without.overlay_samples()
    assert label.tolist() == [[3, 255, 255]] and len(without.names) == 11


def test_a_part_of_train_validates_where_there_is_no_val(tmp_path):
    data = write_data(tmp_path)
    with pytest.raises(UserError, match="there is one; leave out --split-val"):
        Task.open(recipe(split_val=0.3), data)
    (data / "val").rename(tmp_path / "away")
    with pytest.raises(UserError, match=r"val/images: .*Or hold .*--split-val 0\.1"):
        Task.open(recipe(), data)
    tasks = [Task.open(recipe(split_val=0.3, seed=seed), data) for seed in (0, 1)]
    for task in tasks:
        task.require()
        assert len(task.train_set) == 5 and len(task.evaluate_set) == 2
        assert task.evaluate_set.split == "val"
        assert [s.name for s in task.evaluate_set] == [
            s.name for s in tasks[0].evaluate_set
        ]
        both = {s.name for s in (*task.train_set, *task.evaluate_set)}
        assert len(both) == 7


def test_files_that_were_checked_are_not_read_again_until_they_change(
    data, monkeypatch
):
    read = []
    real = pipelines.require
    monkeypatch.setattr(
        pipelines, "require", lambda d, *void: read.append(d.split) or real(d, *void)
    )
    for path in data.rglob("*.png"):
        os.utime(path, ns=(10**18, 10**18))
    task = Task.open(recipe(), data)
    checked = task.require()
    assert read == ["train", "val"] and task.require(checked) == checked
    assert read == ["train", "val"]
    os.utime(next((data / "val/labels").iterdir()), ns=(10**18, 10**18 + 1))
    task.require(checked)
    assert read == ["train", "val", "val"]


def test_what_was_checked_without_counting_is_counted(data):
    for path in data.rglob("*.png"):
        os.utime(path, ns=(10**18, 10**18))
    task = Task.open(recipe(), data)
    checked, counts = task.require(), {}
    assert task.require(checked, counts) == checked
    assert {split: len(pixels) for split, pixels in counts.items()} == {
        "train": 4,
        "val": 4,
    }
    assert sum(counts["train"]) == 7 * 13 * 17 and counts["train"][3] == 7 * 17
    task.require(checked, counts)


def test_a_recipe_whose_protocol_has_other_classes_is_refused_at_once(data):
    with pytest.raises(UserError, match="scores by the protocol camvid12") as error:
        Task.open(recipe(protocol="camvid12"), data)
    assert "3 classes instead of 11" in str(error.value)
    assert "--set protocol=own" in str(error.value)


def test_a_val_that_is_there_and_empty_is_like_none(tmp_path):
    data = write_data(tmp_path, val=0)
    (data / "val/images/.DS_Store").write_bytes(b"x")
    with pytest.raises(UserError, match="found 0 images, 0 labels.*--split-val"):
        Task.open(recipe(), data)
    task = Task.open(recipe(split_val=0.3), data)
    assert len(task.train_set) == 5 and len(task.evaluate_set) == 2
    (data / "val/images/a.png").write_bytes(b"x")
    with pytest.raises(UserError, match="there is one; leave out --split-val"):
        Task.open(recipe(split_val=0.3), data)
    with pytest.raises(UserError, match="found 1 images, 0 labels") as error:
        Task.open(recipe(), data)
    assert "--split-val" not in str(error.value)


@pytest.mark.slow
def test_processes_share_the_validation_and_begin_with_their_own_samples(
    data, monkeypatch
):
    task = Task.open(recipe(batch_size=4, evaluate_batch_size=2), data)
    whole = [labels.numpy() for _, labels in task.evaluation_batches()]
    numbered = task.first_samples(5)
    assert [number for number, _ in numbered] == [20, 21, 22, 23]
    monkeypatch.setattr(processes, "count", lambda: 4)
    found, first = [], []
    for index in range(4):
        monkeypatch.setattr(processes, "index", lambda index=index: index)
        found += [labels.numpy() for _, labels in task.evaluation_batches()]
        first += task.first_samples(5)
    # Two batches of three samples: two processes have none.
    assert len(found) == len(whole) == 2
    for ours, theirs in zip(found, whole, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert first == numbered
