import numpy as np
import pytest
from PIL import Image

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.pipelines import ClassTable, check_folder, open_dataset, require
from tests.pipelines.folders import TWO_VALUES


def relabel(folder, pattern, value):
    for path in folder.glob(pattern):
        Image.fromarray(np.full((3, 4), value, np.uint8)).save(path)


@pytest.mark.parametrize(
    ("split", "use"), [("train", "nothing can be learnt"), ("val", "can be scored")]
)
def test_a_split_of_void_alone_is_refused(folder, split, use):
    relabel(folder, f"{split}/labels/*.png", 255)
    (line,) = check_folder(folder).findings
    assert f"labels of {split} show a class: every pixel is void" in line
    assert use in line
    with pytest.raises(UserError, match="every pixel is void"):
        require(open_dataset(folder, split))


def test_a_class_that_is_absent_is_named_and_hinders_nothing(folder):
    table = ClassTable(("road", "car", "tram"), ((1, 1, 1), (2, 2, 2), (3, 3, 3)), (9,))
    table.write(folder / "classes.csv")
    Image.fromarray(np.full((3, 4), 2, np.uint8)).save(folder / "val/labels/a.png")
    report = check_folder(folder)
    assert report.findings == ()
    assert report.notes == (
        f"{folder}, train: no pixel of tram, which cannot be learnt",
    )
    assert require(open_dataset(folder, "train")).notes == report.notes


def test_labels_that_are_all_void_are_counted_and_named(folder):
    relabel(folder, "train/labels/b.png", 9)
    (note,) = check_folder(folder).notes
    assert note.endswith("train: 1 of 3 labels are all void: b")


def test_a_class_alone_has_nothing_to_be_told_from(folder):
    ClassTable(("part",), ((1, 1, 1),)).write(folder / "classes.csv")
    relabel(folder, "*/labels/*.png", 0)
    (line,) = check_folder(folder).findings
    assert "train show two classes or more: part is all there is of 1" in line
    assert "add a class for all the rest" in line
    with pytest.raises(UserError, match="nothing can be told apart"):
        require(open_dataset(folder, "train"))


def test_a_class_beside_void_may_be_learnt_with_void(folder):
    ClassTable(("part",), ((1, 1, 1),)).write(folder / "classes.csv")
    relabel(folder, "*/labels/*.png", 0)
    relabel(folder, "*/labels/a.png", 255)
    (line,) = check_folder(folder).findings
    assert "write the line 1,background,64,64,64 into the class file" in line
    assert "--read-labels 0=0,255=1; or --set void_is_class=yes" in line
    assert require(open_dataset(folder, "train"), void_is_class=True).void_pixels


def test_one_class_of_several_in_train_is_refused_and_in_val_is_said(folder):
    relabel(folder, "train/labels/*.png", 1)
    (line,) = check_folder(folder).findings
    assert "car is all there is of 2, so nothing can be told apart" in line
    relabel(folder, "train/labels/a.png", 0)
    relabel(folder, "val/labels/*.png", 1)
    report = check_folder(folder)
    assert report.findings == ()
    assert report.notes[0].endswith("val: car is all there is of 2 classes")


@pytest.mark.parametrize("stray", [1, 254, 128])
def test_strays_hide_no_mask_of_0_and_255(folder, stray):
    label = np.zeros((50, 60), np.uint8)
    label[20:] = 255
    label[3, 4] = stray
    for path in folder.glob("*/labels/*.png"):
        Image.fromarray(label).save(path)
        Image.new("RGB", (60, 50)).save(path.parents[1] / "images" / path.name)
    (line, *more) = check_folder(folder).findings
    assert "--read-labels 0=0,255=1,nearest" in line
    assert all("--read-labels 0=0,255=1,nearest" in other for other in more)
    assert check_folder(folder, labels="0=0,255=1,nearest").findings == ()


def test_a_class_that_is_called_unlabeled_is_pointed_at(folder):
    ClassTable(("Unlabeled", "car"), ((1, 1, 1), (2, 2, 2)), (9,)).write(
        folder / "classes.csv"
    )
    (note,) = check_folder(folder).notes
    assert "Unlabeled is learnt like any class" in note


def test_the_same_fault_of_many_files_is_one_line(folder):
    for name in "abc":
        Image.fromarray(TWO_VALUES).convert("RGB").save(
            folder / f"val/labels/{name}.png"
        )
    Image.fromarray(TWO_VALUES).save(folder / "val/labels/a.png")
    (line,) = check_folder(folder).findings
    assert "RGB, 8 bits: 2 files (b.png, c.png)" in line
