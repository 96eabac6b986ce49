import base64
import json
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.pipelines import ClassTable, check, load_sample, open_dataset, splits
from tests.pipelines.folders import image

SQUARE = [[1, 1], [4, 1], [4, 3], [1, 3]]


def shape(label, points=SQUARE, kind="polygon", **more):
    return {"label": label, "points": points, "shape_type": kind, **more}


def write(folder, name, shapes, picture=None):
    image(folder / f"{name}.jpg")
    text = json.dumps(
        {
            "version": "5.2.1",
            "shapes": shapes,
            "imagePath": picture or f"..\\raw\\{name}.jpg",
            "imageData": None,
            "imageHeight": 5,
            "imageWidth": 7,
        }
    )
    (folder / f"{name}.json").write_text(text)


def test_polygons_become_classes_in_the_order_of_the_alphabet(tmp_path):
    write(tmp_path / "train", "a", [shape("tool"), shape("part", [[2, 2]] * 3)])
    write(tmp_path / "val", "b", [shape("bolt")])
    data = open_dataset(tmp_path, "train")
    assert data.classes.names == ("background", "bolt", "part", "tool")
    assert open_dataset(tmp_path, "val").classes == data.classes
    assert splits(tmp_path) == ("train", "val") and check(data) == []
    expected = np.zeros((5, 7), int)
    expected[1:4, 1:5] = 3
    expected[2, 2] = 2
    np.testing.assert_array_equal(load_sample(data, 0)["label"], expected)
    np.testing.assert_array_equal(data.samples.loader()(0)["label"], expected)


def test_rectangles_circles_masks_and_what_is_ignored(tmp_path):
    png = BytesIO()
    Image.fromarray(np.array([[255, 0], [0, 255]], np.uint8)).save(png, "PNG")
    mask = base64.b64encode(png.getvalue()).decode()
    write(
        tmp_path,
        "a",
        [
            shape("a", [[6, 0], [5, 1]], "rectangle"),
            shape("__ignore__", [[1, 3], [1, 4]], "circle"),
            shape("b", [[0, 0], [1, 1]], "mask", mask=mask),
            shape("_background_", [[1, 1], [1, 1]], "rectangle"),
        ],
    )
    assert splits(tmp_path) == ("train",)
    label = load_sample(open_dataset(tmp_path, "train"), 0)["label"]
    expected = np.zeros((5, 7), int)
    expected[:2, 5:] = 1
    expected[0, 0] = 2
    assert label[3, 1] == label[4, 1] == 255
    label[2:5, :3] = 0
    np.testing.assert_array_equal(label, expected)


def test_a_class_file_gives_the_order_and_refuses_other_names(tmp_path):
    write(tmp_path, "a", [shape("tool")])
    write(tmp_path, "b", [shape("spoon")])
    ClassTable(("background", "tool"), ((0, 0, 0), (1, 1, 1))).write(
        tmp_path / "classes.csv"
    )
    data = open_dataset(tmp_path, "train")
    assert load_sample(data, 0)["label"].max() == 1
    (finding,) = check(data)
    assert "class 'spoon'" in finding.found


def test_points_lines_and_damaged_shapes_are_found(tmp_path):
    write(tmp_path, "a", [shape("x", [[1, 1]], "point")])
    write(tmp_path, "b", [shape("x", [[1, 1], [2, 2]])])
    a, b = check(open_dataset(tmp_path, "train"))
    assert "'x', a point of 1 points" in a.found
    assert "'x', a polygon of 2 points" in b.found


def test_pictures_without_outlines_and_outlines_without_pictures_are_found(tmp_path):
    for name in "abc":
        write(tmp_path, name, [])
    (tmp_path / "a.jpg").unlink()
    (tmp_path / "b.json").unlink()
    (tmp_path / "d.json").write_text("{}")
    found = [f.found for f in open_dataset(tmp_path, "train").findings]
    assert found == ["it is not", "no such file", "no label"]
    (tmp_path / "c.jpg").unlink()
    with pytest.raises(UserError, match="a split holds a pair"):
        open_dataset(tmp_path, "train")
