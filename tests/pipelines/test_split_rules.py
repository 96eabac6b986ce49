import numpy as np
import pytest
from PIL import Image

from hyperseg_tf.base.errors import UserError
from pipelines import ClassTable, check_folder, open_dataset, require
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
    notes = check_folder(folder).notes
    assert f"{folder}, train: part is the only class: nothing to tell apart" in notes


def test_one_class_of_several_in_train_is_said(folder):
    relabel(folder, "train/labels/*.png", 1)
    (note,) = check_folder(folder).notes
    assert note.endswith("train: car is all there is of 2 classes")


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
