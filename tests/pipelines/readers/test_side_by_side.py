import numpy as np
import pytest

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.pipelines import check, detect, load_sample, open_dataset, splits
from tests.pipelines.folders import THREE, VALUES, image, label


def fill(root, images, labels, tail="", count=2):
    for n in range(count):
        image(root / images / f"{n}.jpg", seed=n)
        label(root / labels / f"{n}{tail}.png", (VALUES + n) % 3)


@pytest.mark.parametrize(
    ("images", "labels", "tail"),
    [
        ("images/{}", "labels/{}", ""),
        ("img_dir/{}", "ann_dir/{}", ""),
        ("JPEGImages/{}", "Annotations/{}", "_mask"),
        ("{}/images", "{}/masks", "_label"),
        ("{}/imgs", "{}/labels", ""),
        ("{}", "{}_labels", "_L"),
        ("{}", "{}-masks", ""),
        ("{}", "{}annotations", ""),
    ],
)
@pytest.mark.parametrize("val", ["val", "valid"])
def test_folders_of_many_names_are_read_alike(tmp_path, images, labels, tail, val):
    for split in ("train", val):
        fill(tmp_path, images.format(split), labels.format(split), tail)
    THREE.write(tmp_path / "classes.csv")
    assert detect(tmp_path).reader.NAME == "images and labels side by side"
    assert splits(tmp_path) == ("train", "val")
    data = open_dataset(tmp_path, "val")
    assert [sample.name for sample in data] == ["0", "1"] and check(data) == []
    np.testing.assert_array_equal(load_sample(data, 1)["label"], (VALUES + 1) % 3)


def test_without_splits_all_is_train(tmp_path):
    fill(tmp_path, "images", "masks")
    THREE.write(tmp_path / "masks/classes.csv")
    assert splits(tmp_path) == ("train",) and len(open_dataset(tmp_path, "train")) == 2
    with pytest.raises(UserError, match="split val has a folder of images"):
        open_dataset(tmp_path, "val")


def test_a_table_of_colours_gives_the_classes(tmp_path):
    fill(tmp_path, "train", "train_labels")
    (tmp_path / "class_dict.csv").write_text("name,r,g,b\na,1,2,3\nb,1,2,4\nc,9,9,9\n")
    assert open_dataset(tmp_path, "train").classes.names == ("a", "b", "c")
    (tmp_path / "class_dict.csv").unlink()
    with pytest.raises(UserError, match="needs a class file: No such file"):
        open_dataset(tmp_path, "train")


def test_two_folders_of_labels_are_an_error_that_names_both(tmp_path):
    fill(tmp_path, "images/train", "labels/train")
    fill(tmp_path, "images/train", "masks/train")
    THREE.write(tmp_path / "classes.csv")
    with pytest.raises(UserError, match="found labels/train and masks/train"):
        open_dataset(tmp_path, "train")


def test_an_own_folder_with_other_masks_beside_is_an_error_that_names_both(own):
    label(own / "train/masks/c.png", VALUES)
    with pytest.raises(UserError, match="own folder .* and images and labels side"):
        open_dataset(own, "train")
    (own / "train/masks/c.png").rename(own / "train/masks/c.txt")
    assert len(open_dataset(own, "train")) == 3


def test_lists_divide_a_folder_without_splits(tmp_path):
    fill(tmp_path, "images", "masks", "_mask", count=4)
    THREE.write(tmp_path / "classes.csv")
    (tmp_path / "train.txt").write_text("./images/0.jpg masks/0_mask.png\n\n3\n1.jpg\n")
    (tmp_path / "val.txt").write_text("2\n7\n")
    assert splits(tmp_path) == ("train", "val")
    train, val = (open_dataset(tmp_path, split) for split in ("train", "val"))
    assert [sample.name for sample in train] == ["0", "1", "3"] and not train.findings
    assert [sample.name for sample in val] == ["2"]
    (finding,) = val.findings
    assert finding.source == tmp_path / "val.txt" and "1 names (7)" in finding.found


def test_folders_without_pictures_are_named_with_what_they_hold(tmp_path):
    fill(tmp_path, "images/train", "masks/train")
    for path in (tmp_path / "masks/train").iterdir():
        path.rename(path.with_suffix(".txt"))
    assert detect(tmp_path).reader is None
    with pytest.raises(UserError, match=r"pictures in masks/train \(it holds 2 .txt\)"):
        open_dataset(tmp_path, "train")
