import json
import os
import signal
import subprocess
import sys
import time

import filelock
import numpy as np
import pytest
from PIL import Image

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.pipelines import (
    batches,
    check,
    detect,
    load_sample,
    open_dataset,
    prepare,
    splits,
)
from hyperseg_tf.pipelines.readers.prepared import CHECKSUMS
from tests.tiny_segmenter import NAMES, write_data

SHAPES = ((33, 47), (40, 31), (33, 47), (64, 50), (35, 35))


@pytest.fixture
def source(tmp_path):
    """Pictures of several kinds and sizes, void in the labels."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "Straße 1"
    for split in ("train", "val"):
        labels = [rng.choice([0, 1, 2, 255], shape) for shape in SHAPES]
        images = [rng.integers(0, 256, (*shape, 3), np.uint8) for shape in SHAPES]
        write_data(folder, labels, split, images=images)
        pictures = folder / split / "images"
        Image.fromarray(images[1]).save(pictures / "1.jpg", quality=90)
        (pictures / "1.png").unlink()
        Image.fromarray(images[2]).convert("P").save(pictures / "2.png")
        Image.fromarray(images[3][..., 0]).save(pictures / "3.png")
    return folder


def _pairs(directory, split="train"):
    dataset = open_dataset(directory, split)
    loaded = [load_sample(dataset, i) for i in range(len(dataset))]
    return dataset, [(one["image"], one["label"]) for one in loaded]


def _assert_equal(found, expected):
    for (image, label), (other_image, other_label) in zip(found, expected, strict=True):
        np.testing.assert_array_equal(image, other_image)
        np.testing.assert_array_equal(label, other_label)


@pytest.mark.parametrize("below", ["", "strasse_1", "strasse_1/1.0.0"])
def test_what_was_prepared_is_the_source(below, source, tmp_path):
    out = tmp_path / "out"
    assert prepare(source, out, shard_bytes=5000) == out / "strasse_1/1.0.0"
    assert splits(out) == ("train", "val")
    assert detect(out / below).reader.NAME == "prepared"
    for split in ("train", "val"):
        theirs, expected = _pairs(source, split)
        ours, found = _pairs(out / below, split)
        _assert_equal(found, expected)
        assert [s.name for s in ours] == [s.name for s in theirs]
        assert [s.size() for s in ours.samples] == [*SHAPES]
        assert ours.classes.names == NAMES and not check(ours)
        assert ours.classes.colours == theirs.classes.colours
    assert len(list((out / "strasse_1/1.0.0").glob("*train.array_record*"))) > 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "cache, file_format", [(False, "tfrecord"), (True, "array_record")]
)
def test_training_reads_either_form_with_equal_batches(
    cache, file_format, source, tmp_path
):
    prepare(source, tmp_path / "out", file_format=file_format, shard_bytes=9000)
    choice = dict(batch_size=1, count=7, seed=3, cache=cache)
    streams = [
        batches(open_dataset(path, "train"), **choice)
        for path in (source, tmp_path / "out")
    ]
    count = 0
    for (images, labels), (others, other_labels) in zip(*streams, strict=True):
        np.testing.assert_array_equal(images, others)
        np.testing.assert_array_equal(labels, other_labels)
        count += 1
    assert count == 7


@pytest.mark.parametrize("file_format", ["array_record", "tfrecord"])
def test_tensorflow_datasets_reads_it(file_format, source, tmp_path):
    import tensorflow_datasets as tfds

    choice = dict(name="road", file_format=file_format, shard_bytes=9000)
    prepare(source, tmp_path / "out", **choice)
    builder = tfds.builder("road", data_dir=tmp_path / "out")
    assert set(builder.info.splits) == {"train", "val"}
    assert builder.info.features["label"].names == [*NAMES]
    load = tfds.data_source if file_format == "array_record" else tfds.load
    rows = load("road", data_dir=tmp_path / "out", split="train")
    rows = list(rows if load is tfds.data_source else tfds.as_numpy(rows))
    _, expected = _pairs(source)
    # JPEGs are decoded by whoever reads; the others are equal to the last bit.
    for i in (0, 2, 3, 4):
        np.testing.assert_array_equal(rows[i]["image"], expected[i][0])
    for i in range(5):
        np.testing.assert_array_equal(rows[i]["label"][..., 0], expected[i][1])
    assert [row["name"] for row in rows] == [b"0", b"1", b"2", b"3", b"4"]


def test_plain_pictures_are_kept_byte_for_byte(source, tmp_path):
    kept = (source / "train/images/1.jpg").read_bytes()
    prepare(source, tmp_path / "out")
    ours, _ = _pairs(tmp_path / "out")
    assert ours[1].image_bytes() == kept
    assert ours[0].image_bytes() == (source / "train/images/0.png").read_bytes()
    assert ours[2].image_bytes() != (source / "train/images/2.png").read_bytes()


def test_size_and_quality_are_of_the_pictures_and_labels_lose_nothing(source, tmp_path):
    prepare(source, tmp_path / "out", size=(20, 30), jpeg_quality=95)
    _, expected = _pairs(source)
    ours, found = _pairs(tmp_path / "out")
    for i, (image, label) in enumerate(found):
        assert image.shape == (20, 30, 3) and label.shape == (20, 30)
        assert ours[i].image_bytes()[:2] == b"\xff\xd8"
        height, width = SHAPES[i]
        rows = [int((r + 0.5) * height / 20) for r in range(20)]
        columns = [int((c + 0.5) * width / 30) for c in range(30)]
        np.testing.assert_array_equal(label, expected[i][1][np.ix_(rows, columns)])
    prepare(source, tmp_path / "lossless", size=(20, 30))
    _, exact = _pairs(tmp_path / "lossless")
    for (image, _), (other, _) in zip(found, exact, strict=True):
        assert 0 < np.abs(image.astype(int) - other).mean() < 8


def _checksums(out):
    return (out / CHECKSUMS).read_text()


def test_checksums_are_those_of_the_files_and_of_every_run(source, tmp_path):
    first = prepare(source, tmp_path / "a", name="x", shard_bytes=9000, parallel=1)
    second = prepare(source, tmp_path / "b", name="x", shard_bytes=9000, parallel=4)
    assert _checksums(first) == _checksums(second)
    done = subprocess.run(["sha256sum", "-c", CHECKSUMS], cwd=first)
    assert done.returncode == 0


_SLOWLY = """
import sys, time
import sys
from hyperseg_tf import pipelines
module = sys.modules["hyperseg_tf.pipelines.record_files"]
write = module.to_record
def slow(*arguments):
    time.sleep(0.15)
    return write(*arguments)
module.to_record = slow
pipelines.prepare(sys.argv[1], sys.argv[2], name="x", shard_bytes=2000, parallel=2)
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_with_the_same_checksums(source, tmp_path, capfd):
    out = tmp_path / "out"
    process = subprocess.Popen([sys.executable, "-c", _SLOWLY, str(source), str(out)])
    partial, deadline = out / ".x.partial", time.monotonic() + 60
    while len(list(partial.glob("*.json"))) < 3 and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept = {path: path.stat().st_mtime_ns for path in partial.glob("*-of-*.json")}
    assert 3 <= len(kept) < 10 and not (out / "x").exists()
    made = prepare(source, out, name="x", shard_bytes=2000)
    assert f"{len(kept)} files are there" in capfd.readouterr().err
    whole = prepare(source, tmp_path / "whole", name="x", shard_bytes=2000)
    assert _checksums(made) == _checksums(whole)
    for path, changed in kept.items():
        record = made / path.name.removesuffix(".json")
        assert record.stat().st_mtime_ns <= changed  # Not written again.
    assert sorted(p.name for p in out.iterdir()) == ["x"]


def test_what_an_interrupted_run_left_is_of_no_use_for_changed_data(source, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    other = prepare(source, tmp_path / "whole", name="x", shard_bytes=2000)
    other.rename(out / ".x.partial")
    (out / ".x.partial/plan.txt").write_text("of other data")
    (out / ".x.partial/stale").touch()
    made = prepare(source, out, name="x", shard_bytes=2000)
    assert not (made / "stale").exists()
    _assert_equal(_pairs(out)[1], _pairs(source)[1])


def test_one_process_at_a_time_prepares(source, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    with filelock.FileLock(out / ".x.lock"):
        with pytest.raises(UserError, match="another does"):
            prepare(source, out, name="x")


def test_old_files_are_replaced_only_when_told(source, tmp_path):
    out = tmp_path / "out"
    prepare(source, out, name="x")
    with pytest.raises(UserError, match="overwrite"):
        prepare(source, out, name="x", size=(9, 9))
    assert _pairs(out)[0][0].size() == SHAPES[0]
    prepare(source, out, name="x", size=(9, 9), overwrite=True)
    assert _pairs(out)[0][0].size() == (9, 9)
    assert [path.name for path in (out / "x").iterdir()] == ["1.0.0"]


def test_a_broken_sample_is_named_and_nothing_appears(source, tmp_path):
    broken = source / "val/images/4.png"
    broken.write_bytes(broken.read_bytes()[:200])
    with pytest.raises(UserError, match="4.png"):
        prepare(source, tmp_path / "out", name="x")
    assert not (tmp_path / "out/x").exists()


def test_a_file_that_was_cut_is_refused(source, tmp_path):
    made = prepare(source, tmp_path / "out", name="x")
    record = next(made.glob("*train.array_record*"))
    record.write_bytes(record.read_bytes()[:-5])
    with pytest.raises(UserError, match="copy it again"):
        open_dataset(tmp_path / "out", "train")
    open_dataset(tmp_path / "out", "val")
    table = made / "samples.json"
    table.write_text(json.dumps({"name": "x"}))
    with pytest.raises(UserError, match="prepare the data again"):
        open_dataset(tmp_path / "out", "val")


@pytest.mark.parametrize("name", ["", "Road", "1road", "a-b", "a/b"])
def test_names_are_those_of_tensorflow_datasets(name, source, tmp_path):
    with pytest.raises(UserError, match="small letters"):
        prepare(source, tmp_path / "out", name=name)
    assert not (tmp_path / "out").exists()
