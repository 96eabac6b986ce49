import numpy as np
import pytest
from PIL import Image

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.pipelines import (
    check,
    check_folder,
    convert,
    detect,
    load_sample,
    open_dataset,
    splits,
)
from tests.needed import needed
from tests.pipelines.folders import image

needed("pycocotools.mask")
needed("yaml")

DATA = "path: /content/x\ntrain: ../train/images\nval: ../valid/images\nnc: 2\n"
NAMES = "names: [person, 'car']\n"


def line(number, *corners, height=5, width=7):
    shares = (f"{x / width:.6f} {y / height:.6f}" for x, y in corners)
    return f"{number} {' '.join(shares)}\n"


# Columns 1 to 4, rows 1 to 3; and a pixel in it.
LARGE = line(1, (1, 1), (5, 1), (5, 4), (1, 4))
SMALL = line(0, (2, 2), (3, 2), (3, 3), (2, 3))
LABEL = np.zeros((5, 7), int)
LABEL[1:4, 1:5] = 2
LABEL[2, 2] = 1


def write(images, labels, text=SMALL + LARGE, names=("a", "b")):
    for name in names:
        image(images / f"{name}.jpg")
        labels.mkdir(parents=True, exist_ok=True)
        (labels / f"{name}.txt").write_text(text)


@pytest.fixture
def roboflow(tmp_path):
    for split in ("train", "valid", "test"):
        write(tmp_path / split / "images", tmp_path / split / "labels")
    (tmp_path / "data.yaml").write_text(DATA + NAMES)
    return tmp_path


def found(root, split="train"):
    return [str(finding) for finding in check(open_dataset(root, split))]


def test_polygons_are_drawn_the_smaller_above(roboflow):
    assert detect(roboflow).reader.NAME == "YOLO segmentation"
    assert "train/images and train/labels of .txt, data.yaml" in str(detect(roboflow))
    assert splits(roboflow) == ("train", "val", "test")
    data = open_dataset(roboflow, "val")
    assert data.classes.names == ("background", "person", "car")
    assert [sample.name for sample in data] == ["a", "b"] and check(data) == []
    np.testing.assert_array_equal(load_sample(data, 1)["label"], LABEL)
    np.testing.assert_array_equal(data.samples.loader()(1)["label"], LABEL)
    assert [path.name for path in data[0].sources] == ["a.jpg", "a.txt", "data.yaml"]


@pytest.mark.parametrize("tail", ["", "2017"])
def test_images_and_labels_with_splits_inside(tmp_path, tail):
    for split in ("train", "val"):
        inside = f"{split}{tail}"
        write(tmp_path / "images" / inside, tmp_path / "labels" / inside)
    text = f"path: ../coco8-seg\ntrain: images/train{tail}\nval: images/val{tail}\n"
    (tmp_path / "coco8-seg.yaml").write_text(text + "names:\n  0: person\n  5: car\n")
    for path in (tmp_path / "labels").rglob("*.txt"):
        path.write_text(LARGE.replace("1", "5", 1))
    assert splits(tmp_path) == ("train", "val")
    label = load_sample(open_dataset(tmp_path, "val"), 0)["label"]
    assert label[1, 1] == 2 and label[0, 0] == 0


def test_a_file_says_where_splits_of_other_names_lie(tmp_path):
    for fold in ("fold1", "fold2"):
        write(tmp_path / "images" / fold, tmp_path / "labels" / fold, names=(fold,))
    said = "train: images/fold1\nval: ./images/fold2/\n"
    (tmp_path / "data.yaml").write_text(said + NAMES)
    names = [open_dataset(tmp_path, split)[0].name for split in ("train", "val")]
    assert names == ["fold1", "fold2"]


def test_a_list_of_names_and_no_splits_is_all_train(tmp_path):
    write(tmp_path / "images", tmp_path / "labels")
    (tmp_path / "labels/classes.txt").write_text("person\ncar\n")
    assert splits(tmp_path) == ("train",)
    data = open_dataset(tmp_path, "train")
    assert data.classes.names[1:] == ("person", "car") and check(data) == []
    assert check_folder(tmp_path).findings[0].endswith("with --split-val 0.1.")


def test_a_picture_without_a_label_is_background_and_noted(roboflow):
    (roboflow / "train/labels/a.txt").unlink()
    (roboflow / "train/labels/b.txt").write_text("\n")
    (roboflow / "train/labels/c.txt").write_text(SMALL)
    data = open_dataset(roboflow, "train")
    assert not load_sample(data, 0)["label"].any()
    assert not load_sample(data, 1)["label"].any()
    assert "no label and so background: 1 files (a.jpg)" in data.notes[-1]
    (finding,) = data.findings
    assert finding.source == roboflow / "train/labels/c.txt"


def test_shares_are_of_the_picture_as_it_is_turned(roboflow):
    facts = Image.Exif()
    facts[0x0112] = 6
    picture = Image.fromarray(np.zeros((7, 5, 3), np.uint8))
    picture.save(roboflow / "train/images/a.jpg", exif=facts)
    sample = load_sample(open_dataset(roboflow, "train"), 0)
    np.testing.assert_array_equal(sample["label"], LABEL)
    assert sample["image"].shape == (5, 7, 3)


def test_it_becomes_an_own_folder(roboflow, tmp_path):
    assert convert(roboflow, tmp_path / "n") == {"train": 2, "val": 2, "test": 2}
    data = open_dataset(tmp_path / "n", "train")
    assert detect(tmp_path / "n").reader.NAME == "own folder"
    np.testing.assert_array_equal(load_sample(data, 0)["label"], LABEL)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0 0.5 0.5 0.2 0.2\n", "boxes, class x y width height; export segmentation"),
        (line(7, (0, 0), (1, 0), (1, 1)), "class 7, and there are 0, 1; add its name"),
        ("0 12 10 40 10 40 30\n", "corners beyond 0..1, as of pixels"),
        ("0 nan 0 1 0 1 1\n", "corners beyond 0..1"),
        ("0 0.1 0.1 0.2 0.1 0.3\n", "line 1 has 5 numbers"),
        (f"\n{SMALL}person 0.1 0.1\n", "line 3 is 'person 0.1 0.1'"),
    ],
)
def test_lines_that_are_no_polygon_are_found_once_for_all_files(roboflow, text, said):
    for path in (roboflow / "train/labels").iterdir():
        path.write_text(text)
    assert len(found(roboflow)) == 2 and all(said in one for one in found(roboflow))
    what = said.partition(";")[0]
    lines = [one for one in check_folder(roboflow).findings if what in one]
    assert len(lines) == 1 and "2 files (a.txt, b.txt)" in lines[0]


def test_what_is_rounded_beyond_the_border_is_no_fault(roboflow):
    text = "0 -0.000001 0 1.0000001 0 1 1.001 0 1\n"
    (roboflow / "train/labels/a.txt").write_text(text)
    sample = load_sample(open_dataset(roboflow, "train"), 0)
    assert (sample["label"] == 1).all()


def test_damaged_files_are_findings(roboflow):
    (roboflow / "train/labels/a.txt").write_bytes(b"\xff\xfe\x00")
    (roboflow / "train/images/b.jpg").write_bytes(b"x")
    lines = found(roboflow)
    assert "a.txt" in lines[0] and "no text" in lines[0]
    assert any("b.jpg: a polygon needs its picture's size" in one for one in lines)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("names: 7\n", "found no names"),
        ("[", "lists its classes"),
        ("- a\n", "found no names"),
        ("nc: 3\nnames: [a, b]\n", "found 2 names and nc: 3"),
        ("names: {a: b}\n", "found 'a': 'b'"),
        ("names: [a, a]\n", "got 'a' twice"),
        (NAMES + "train: [x, y]\n", "a split is one folder of pictures"),
        (NAMES + "train: train.txt\n", "found the list train.txt"),
        ("names: &a [*a, *a]\n", "lists its classes|found 0"),
    ],
)
def test_a_file_of_classes_that_says_something_else_is_one_line(roboflow, text, said):
    (roboflow / "data.yaml").write_text(text)
    with pytest.raises(UserError, match=said) as error:
        open_dataset(roboflow, "train")
    assert "data.yaml" in str(error.value) and "\n" not in str(error.value)


def test_masks_in_the_same_folders_are_still_an_own_folder(own):
    (own / "data.yaml").write_text(NAMES)
    (own / "train/labels/notes.txt").write_text("x")
    assert detect(own).reader.NAME == "own folder"
