import json

import numpy as np
import pytest

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.pipelines import (
    check,
    convert,
    detect,
    load_sample,
    open_dataset,
    splits,
)
from tests.needed import needed
from tests.pipelines.folders import image

mask = needed("pycocotools.mask")

SQUARE = [[1, 1, 5, 1, 5, 4, 1, 4]]


def content(annotations, categories=None, names=("a.png", "b.png")):
    return {
        "images": [
            {"id": 10 * n, "file_name": name, "height": 5, "width": 7}
            for n, name in enumerate(names)
        ],
        "categories": categories
        or [{"id": 7, "name": "car"}, {"id": 3, "name": "person"}],
        "annotations": [
            {"id": n, "image_id": 0, **annotation}
            for n, annotation in enumerate(annotations)
        ],
    }


def write(path, *args, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content(*args, **options)))


@pytest.fixture
def root(tmp_path):
    for name in ("a.png", "b.png"):
        image(tmp_path / "train2017" / name)
    return tmp_path


def test_polygons_and_run_lengths_are_drawn_the_smaller_above(root):
    small = np.zeros((5, 7), np.uint8, order="F")
    small[2, 2] = 1
    packed = mask.encode(small)
    packed["counts"] = packed["counts"].decode()
    plain = {"size": [5, 7], "counts": [34, 1]}
    write(
        root / "annotations/instances_train2017.json",
        [
            {"category_id": 3, "segmentation": packed, "iscrowd": 1},
            {"category_id": 7, "segmentation": SQUARE},
            {"category_id": 3, "segmentation": plain, "iscrowd": 1},
        ],
    )
    data = open_dataset(root, "train")
    assert check(data) == [] and splits(root) == ("train",)
    assert data.classes.names == ("background", "person", "car")
    expected = np.zeros((5, 7), int)
    expected[1:4, 1:5] = 2
    expected[2, 2] = expected[4, 6] = 1
    np.testing.assert_array_equal(load_sample(data, 0)["label"], expected)
    np.testing.assert_array_equal(data.samples.loader()(0)["label"], expected)
    assert not load_sample(data, 1)["label"].any()


def test_a_json_among_the_pictures_is_read_and_what_is_above_is_no_class(root):
    (root / "train2017").rename(root / "train")
    categories = [
        {"id": 0, "name": "things", "supercategory": "none"},
        {"id": 1, "name": "car", "supercategory": "things"},
    ]
    write(root / "train/_annotations.coco.json", [], categories)
    data = open_dataset(root, "train")
    assert data.classes.names == ("background", "car")
    assert "train/_annotations.coco.json" in str(detect(root))


def test_two_files_for_a_split_are_an_error_that_names_both(root):
    for kind in ("instances", "persons", "captions"):
        write(root / f"annotations/{kind}_train2017.json", [])
    with pytest.raises(UserError, match="instances_train2017.json and .*persons_trai"):
        open_dataset(root, "train")


def test_boxes_missing_pictures_and_bad_outlines_are_findings(root):
    path = root / "annotations/instances_train2017.json"
    names = ("a.png", "b.png", "gone.png", "gone2.png")
    write(path, [{"category_id": 3, "bbox": [1, 1, 2, 2]}], names=names)
    box, gone = open_dataset(root, "train").findings
    assert "1 of 1 have a box only" in box.found and "2 files (gone.png" in gone.found
    write(path, [{"category_id": 3, "segmentation": [[1, 2]]}])
    (finding,) = check(open_dataset(root, "train"))
    assert "object 0" in finding.found


def test_what_is_no_such_json_is_one_line(root):
    path = root / "annotations/instances_train2017.json"
    write(path, [{"category_id": 99, "segmentation": SQUARE}])
    with pytest.raises(UserError, match="unknown categories"):
        open_dataset(root, "train")
    for text in ("{", "[]", '{"images": [{}]}'):
        path.write_text(text)
        with pytest.raises(UserError, match="a COCO file is JSON with images"):
            open_dataset(root, "train")


@pytest.mark.parametrize(
    "outline",
    [
        {"size": [5, 7], "counts": [30, 4]},
        {"size": [5, 7], "counts": [-1, 36]},
        {"size": [50000, 70000], "counts": [34, 1]},
        {"size": [7, 5], "counts": "61X13mN000`0"},
        {"counts": [34, 1]},
        ["nonsense"],
        [[0, 0, 1e9, 0, 1e9, 1e9]],
        [[0, 0, float("nan"), 0, 3, 3]],
    ],
)
def test_run_lengths_that_do_not_fit_their_picture_are_found(root, outline):
    path = root / "annotations/instances_train2017.json"
    write(path, [{"category_id": 3, "segmentation": outline}])
    (finding,) = check(open_dataset(root, "train"))
    assert "object 0" in finding.found


def test_two_pictures_of_one_stem_have_names_of_their_own(root):
    image(root / "train2017/a.jpg")
    write(root / "annotations/instances_train2017.json", [], names=("a.png", "a.jpg"))
    names = [sample.name for sample in open_dataset(root, "train")]
    assert names == ["a.jpg-10", "a.png-0"]


def test_sizes_that_nobody_can_draw_are_refused(root):
    path = root / "annotations/instances_train2017.json"
    write(path, [])
    text = path.read_text().replace('"height": 5', '"height": 50000000')
    path.write_text(text)
    with pytest.raises(UserError, match=r"a.png has more than"):
        open_dataset(root, "train")


STUFF = [
    {"id": 183, "name": "other", "supercategory": "other"},
    {"id": 92, "name": "sky", "supercategory": "outdoor"},
    {"id": 124, "name": "grass", "supercategory": "outdoor"},
]


def write_both(root, things, stuff, stuff_names=("a.png", "b.png"), categories=STUFF):
    write(root / "annotations/instances_train2017.json", things)
    path = root / "annotations/stuff_train2017.json"
    write(path, stuff, categories, names=stuff_names)


def test_things_are_above_stuff_and_what_is_neither_is_void(root):
    whole = [[0, 0, 7, 0, 7, 3, 0, 3]]  # larger than the thing, or smaller
    dot = {"size": [5, 7], "counts": [17, 1, 17]}  # row 2, column 3
    stuff = [
        {"category_id": 92, "segmentation": whole},
        {"category_id": 124, "segmentation": dot},
        {"category_id": 183, "segmentation": [[0, 3, 2, 3, 2, 5, 0, 5]]},
    ]
    write_both(root, [{"category_id": 7, "segmentation": SQUARE}], stuff)
    data = open_dataset(root, "train")
    assert data.classes.names == ("person", "car", "sky", "grass")
    expected = np.full((5, 7), 255)
    expected[:3] = 2
    expected[1:4, 1:5] = 1
    np.testing.assert_array_equal(load_sample(data, 0)["label"], expected)
    np.testing.assert_array_equal(data.samples.loader()(0)["label"], expected)
    assert (load_sample(data, 1)["label"] == 255).all() and check(data) == []
    assert detect(root).reader.NAME == "COCO" and splits(root) == ("train",)


def test_a_change_of_either_file_is_a_change_of_the_sample(root):
    write_both(root, [], [])
    (sample, _) = open_dataset(root, "train")
    names = [path.name for path in sample.sources]
    assert names == ["a.png", "instances_train2017.json", "stuff_train2017.json"]


def test_pictures_of_one_file_alone_are_found(root):
    image(root / "train2017/c.png")
    write_both(root, [], [], stuff_names=("a.png", "b.png", "c.png"))
    data = open_dataset(root, "train")
    (finding,) = data.findings
    assert finding.source == root / "annotations/instances_train2017.json"
    assert "1 of the other file are missing (c.png)" in finding.found
    assert len(data) == 2
    write_both(root, [], [], stuff_names=("b.png", "a.png"))
    with pytest.raises(UserError, match="number 0 is a.png of 5x7 and b.png of 5x7"):
        open_dataset(root, "train")


def test_a_class_that_is_thing_and_stuff_is_an_error(root):
    write_both(root, [], [], categories=[{"id": 92, "name": "car"}])
    with pytest.raises(UserError, match="stuff_train2017.json: .* got 'car' twice"):
        open_dataset(root, "train")


def test_things_and_stuff_become_an_own_folder(root, tmp_path):
    sky = {"category_id": 92, "segmentation": SQUARE}
    write_both(root, [], [sky])
    assert convert(root, tmp_path / "new") == {"train": 2}
    label = load_sample(open_dataset(tmp_path / "new", "train"), 0)["label"]
    assert (label[1:4, 1:5] == 2).all() and (label == 255).sum() == 35 - 12
