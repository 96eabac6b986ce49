import os

import pytest
from PIL import Image

from hyperseg_tf.pipelines import fingerprint, open_dataset


def old(folder, seconds=10):
    for path in folder.rglob("*.png"):
        stamp = path.stat().st_mtime_ns - seconds * 10**9
        os.utime(path, ns=(stamp, stamp))


def test_files_that_are_the_same_have_the_same_fingerprint(folder):
    old(folder)
    mark = fingerprint(open_dataset(folder, "train"))
    assert mark == fingerprint(open_dataset(folder, "train")) is not None
    assert mark != fingerprint(open_dataset(folder, "val"))


@pytest.mark.parametrize("change", ["time", "size", "name", "classes", "labels"])
def test_any_change_is_seen(folder, change):
    old(folder)
    before = fingerprint(open_dataset(folder, "train"))
    path = folder / "train/labels/b.png"
    rules = ""
    if change == "time":
        os.utime(path, ns=(1, 1))
    elif change == "size":
        path.write_bytes(path.read_bytes() + b"x")
        old(folder)
    elif change == "name":
        for kind in ("images", "labels"):
            (folder / f"train/{kind}/b.png").rename(folder / f"train/{kind}/d.png")
    elif change == "classes":
        text = (folder / "classes.csv").read_text()
        (folder / "classes.csv").write_text(text.replace("car", "tram"))
    else:
        rules = "others=void"
    after = fingerprint(open_dataset(folder, "train", labels=rules))
    assert after is not None and after != before


def test_files_written_a_moment_ago_may_change_unseen(folder):
    old(folder)
    path = folder / "train/images/b.png"
    Image.open(path).copy().save(path)
    assert fingerprint(open_dataset(folder, "train")) is None


def test_a_missing_file_has_none(folder):
    old(folder)
    data = open_dataset(folder, "train")
    (folder / "train/labels/c.png").unlink()
    assert fingerprint(data) is None
