import json

import numpy as np
import pytest
from PIL import Image

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.pipelines import (
    check,
    convert,
    detect,
    load_sample,
    open_dataset,
    splits,
)
from tests.pipelines.folders import image

CATEGORIES = [
    {"id": 200, "name": "sky", "isthing": 0, "color": [70, 130, 180]},
    {"id": 1, "name": "person", "isthing": 1, "color": [220, 20, 60]},
    {"id": 3, "name": "car", "isthing": 1, "color": [0, 0, 142]},
]

# Two persons are two segments of one class; 0 is nobody's.
NUMBERS = np.array(
    [[0, 7, 7, 70000, 5], [7, 7, 300, 70000, 5], [0, 0, 300, 300, 5]], np.int64
)
SEGMENTS = [
    {"id": 7, "category_id": 1, "iscrowd": 0},
    {"id": 300, "category_id": 1},
    {"id": 70000, "category_id": 3},
    {"id": 5, "category_id": 200},
]
LABEL = [[255, 0, 0, 1, 2], [0, 0, 0, 1, 2], [255, 255, 0, 0, 2]]


def write(root, split="train2017", segments=SEGMENTS, categories=CATEGORIES, **facts):
    masks = root / f"annotations/panoptic_{split}"
    masks.mkdir(parents=True, exist_ok=True)
    for name in "ab":
        image(root / split / f"{name}.jpg", 3, 5)
        rgb = np.stack([NUMBERS >> shift & 255 for shift in (0, 8, 16)], axis=-1)
        Image.fromarray(rgb.astype(np.uint8)).save(masks / f"{name}.png")
    content = {
        "images": [
            {"id": n, "file_name": f"{name}.jpg", "height": 3, "width": 5}
            for n, name in enumerate("ab")
        ],
        "annotations": [
            {"image_id": n, "file_name": f"{name}.png", "segments_info": segments}
            for n, name in enumerate("ab")
        ],
        "categories": categories,
        **facts,
    }
    path = root / f"annotations/panoptic_{split}.json"
    path.write_text(json.dumps(content))
    return path


def test_segments_become_their_classes_and_0_is_void(tmp_path):
    for split in ("train2017", "val2017"):
        write(tmp_path, split)
    assert splits(tmp_path) == ("train", "val")
    data = open_dataset(tmp_path, "val")
    assert data.classes.names == ("person", "car", "sky")
    assert data.classes.colours[0] == (220, 20, 60)
    assert check(data) == [] and [sample.name for sample in data] == ["a", "b"]
    np.testing.assert_array_equal(load_sample(data, 1)["label"], LABEL)
    np.testing.assert_array_equal(data.samples.loader()(1)["label"], LABEL)
    names = [path.name for path in data[0].sources]
    assert names == ["a.jpg", "a.png", "panoptic_val2017.json"]
    with pytest.raises(UserError, match="files of values or colours: these are not"):
        open_dataset(tmp_path, "val", labels="nearest")


def test_the_layout_is_named_with_what_is_missing(tmp_path):
    path = write(tmp_path)
    assert detect(tmp_path).reader.NAME == "COCO panoptic"
    assert "panoptic_train2017 with PNGs" in str(detect(tmp_path))
    path.with_suffix("").rename(tmp_path / "away")
    with pytest.raises(UserError, match="nearest is COCO panoptic.* with PNGs"):
        open_dataset(tmp_path, "train")
    # PNGs may lie beside the pictures' folder, too.
    (tmp_path / "away").rename(tmp_path / "panoptic_train2017")
    assert len(open_dataset(tmp_path, "train")) == 2


def test_instances_beside_it_are_an_error_that_names_both(tmp_path):
    path = write(tmp_path)
    path.with_name("instances_train2017.json").write_text("{}")
    with pytest.raises(UserError, match="found COCO .* and COCO panoptic"):
        detect(tmp_path)


def test_it_becomes_an_own_folder(tmp_path):
    write(tmp_path / "coco")
    assert convert(tmp_path / "coco", tmp_path / "new") == {"train": 2}
    new = load_sample(open_dataset(tmp_path / "new", "train"), 0)
    np.testing.assert_array_equal(new["label"], LABEL)


def test_missing_and_unlike_files_are_findings(tmp_path):
    path = write(tmp_path, segments=SEGMENTS[1:])
    one, two = check(open_dataset(tmp_path, "train"))
    assert "unknown numbers 7" in one.found and two.source.name == "b.png"
    write(tmp_path)
    (path.with_suffix("") / "a.png").write_bytes(b"x")
    (path.with_suffix("") / "b.png").unlink()
    (tmp_path / "train2017/c.jpg").write_bytes(b"")
    lines = [str(finding) for finding in check(open_dataset(tmp_path, "train"))]
    assert "b.png: every picture has a PNG of its segments" in lines[0]
    assert "a.png: the file holds PNG data" in lines[1] and len(lines) == 2
    contents = (tmp_path / "annotations/panoptic_train2017/a.png").read_bytes()
    write(tmp_path)
    whole = (tmp_path / "annotations/panoptic_train2017/a.png").read_bytes()
    assert contents != whole
    (path.with_suffix("") / "a.png").write_bytes(whole[:-30])
    (finding,) = check(open_dataset(tmp_path, "train"))
    assert "damaged or cut short" in finding.found


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"segments": [{"id": 7, "category_id": 99}]}, "a.png: KeyError 99"),
        ({"segments": [{"category_id": 1}]}, "KeyError 'id'"),
        ({"annotations": [{"image_id": 0}]}, "a COCO file is JSON .*segments_info"),
        ({"annotations": []}, "every picture has a PNG"),
        ({"images": []}, "found 0 in the JSON"),
        ({"categories": [CATEGORIES[0]] * 2}, "got 'sky' twice"),
    ],
)
def test_what_is_no_such_json_is_one_line(tmp_path, changes, said):
    write(tmp_path, **changes)
    with pytest.raises(UserError, match=said):
        open_dataset(tmp_path, "train")
