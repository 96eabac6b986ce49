import shutil

import numpy as np
import pytest
from PIL import Image

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.pipelines import (
    check,
    convert,
    detect,
    hold_back,
    load_sample,
    make_val,
    open_dataset,
)
from tests.pipelines.folders import image, label

VALUES = np.array([[7, 33, 0, 1, 24], [11, 29, 30, 31, 255], [19, 28, 33, 9, 8]])


@pytest.fixture
def cityscapes(tmp_path):
    root = tmp_path / "cityscapes"
    for split in ("train", "val"):
        for city in ("ulm", "bonn"):
            name = f"{city}_000000_000019"
            image(root / f"leftImg8bit/{split}/{city}/{name}_leftImg8bit.png", 3, 5)
            ids = root / f"gtFine/{split}/{city}/{name}_gtFine_labelIds.png"
            label(ids, np.roll(VALUES, len(city), 1))
    return root


def test_an_empty_split_is_left_out(own, tmp_path):
    for path in (own / "val").rglob("*.png"):
        path.unlink()
    assert convert(own, tmp_path / "new") == {"train": 3}
    for path in (own / "train").rglob("*.png"):
        path.unlink()
    with pytest.raises(UserError, match="found 0 images, 0 labels"):
        convert(own, tmp_path / "newer")


def test_an_own_folder_has_the_pixels_and_classes_of_any_layout(cityscapes, tmp_path):
    out = tmp_path / "own"
    assert convert(cityscapes, out) == {"train": 2, "val": 2}
    assert detect(out).reader.NAME == "own folder"
    for split in ("train", "val"):
        theirs, ours = open_dataset(cityscapes, split), open_dataset(out, split)
        assert [s.name for s in ours] == [s.name for s in theirs] and not check(ours)
        assert ours.classes.names == theirs.classes.names
        assert ours.classes.colours == theirs.classes.colours
        for i in range(2):
            assert ours[i].image_bytes() == theirs[i].image_bytes()
            expected = load_sample(theirs, i)["label"]
            np.testing.assert_array_equal(load_sample(ours, i)["label"], expected)
    with Image.open(out / "val/labels/ulm/ulm_000000_000019.png") as picture:
        assert picture.mode == "P"


def test_void_stays_void_where_a_class_is_black(own, tmp_path):
    # Its second class is (0, 0, 0).
    label(own / "val/labels/z.png", [[0, 1, 2, 255, 1, 1, 1]] * 5)
    convert(own, tmp_path / "copy")
    copied = load_sample(open_dataset(tmp_path / "copy", "val"), 0)["label"]
    assert copied[0].tolist() == [0, 1, 2, 255, 1, 1, 1]


def test_nothing_is_written_where_a_sample_cannot_be_read(cityscapes, tmp_path):
    broken = next(cityscapes.glob("gtFine/val/*/*.png"))
    broken.write_bytes(broken.read_bytes()[:60])
    with pytest.raises(UserError, match="damaged or cut short"):
        convert(cityscapes, tmp_path / "own")
    broken.unlink()
    with pytest.raises(UserError, match="1 findings, first .*no label"):
        convert(cityscapes, tmp_path / "own")
    assert [path.name for path in tmp_path.iterdir()] == ["cityscapes"]


def test_a_folder_that_holds_something_is_replaced_only_when_told(own, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("x")
    with pytest.raises(UserError, match="not overwritten"):
        convert(own, out)
    convert(own, out, overwrite=True)
    assert sorted(path.name for path in out.iterdir()) == [
        "classes.csv",
        "train",
        "val",
    ]


def test_no_layout_and_no_folder_are_said(tmp_path):
    (tmp_path / "foo").mkdir()
    with pytest.raises(UserError, match="found foo/"):
        convert(tmp_path, tmp_path / "out")
    with pytest.raises(UserError, match="nothing there"):
        convert(tmp_path / "bar", tmp_path / "out")


def test_a_part_of_train_becomes_val_as_in_training(own, tmp_path):
    shutil.rmtree(own / "val", ignore_errors=True)
    train = open_dataset(own, "train")
    rest, back = hold_back(train, 0.4, "val")
    written = make_val(own, tmp_path / "out", 0.4)
    assert written == {"train": len(rest), "val": len(back)}
    for part in (rest, back):
        copy = open_dataset(tmp_path / "out", part.split)
        assert [s.name for s in copy] == [s.name for s in part]
        for i in range(len(part)):
            for key, value in load_sample(part, i).items():
                np.testing.assert_array_equal(load_sample(copy, i)[key], value)
    with pytest.raises(UserError, match="where there is no val: found train, val"):
        make_val(tmp_path / "out", tmp_path / "again")
