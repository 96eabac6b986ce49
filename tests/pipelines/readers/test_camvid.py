import numpy as np
import pytest
from PIL import Image

from hyperseg_tf.pipelines import (
    check,
    detect,
    load_sample,
    open_dataset,
    splits,
    with_void_as_class,
)
from tests.pipelines.folders import THREE, image

# Sky, sidewalk, road, Void, three colours of other classes, and one of none at all.
COLOURS = np.array(
    [
        [(128, 128, 128), (0, 0, 192), (128, 64, 128), (0, 0, 0)],
        [(64, 128, 64), (60, 40, 222), (128, 0, 192), (1, 2, 3)],
    ],
    np.uint8,
)
ELEVEN = [[0, 4, 3, 255], [255, 255, 255, 255]]
TWELVE = [[0, 4, 3, 11], [255, 255, 255, 255]]


@pytest.fixture
def camvid(tmp_path):
    root = tmp_path / "CamVid"
    for split in ("train", "val", "test"):
        for n in range(2):
            image(root / split / f"0001TP_{n}.png", 2, 4)
            path = root / f"{split}_labels" / f"0001TP_{n}_L.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(COLOURS).save(path)
    return root


def test_eleven_colours_are_classes_and_all_else_is_void(camvid):
    data = open_dataset(camvid, "train")
    assert splits(camvid) == ("train", "val", "test") and check(data) == []
    assert [sample.name for sample in data] == ["0001TP_0", "0001TP_1"]
    assert len(data.classes) == 11 and data.samples.encoding == "colour"
    np.testing.assert_array_equal(load_sample(data, 0)["label"], ELEVEN)


def test_of_two_kinds_of_void_black_alone_becomes_a_class(camvid):
    data = with_void_as_class(open_dataset(camvid, "train"))
    assert data.classes.names[11] == "void" and len(data.classes) == 12
    np.testing.assert_array_equal(load_sample(data, 1)["label"], TWELVE)
    np.testing.assert_array_equal(data.samples.loader()(1)["label"], TWELVE)


def test_data_of_one_kind_of_void_stay_as_they_are(own):
    data = open_dataset(own, "train")
    assert with_void_as_class(data) is data


def test_camvids_own_class_files_are_welcome_and_others_decide(camvid):
    names = [f"c{n}" for n in range(21)]
    text = "name,r,g,b\n" + "".join(
        f"{name},{r},{g},{b}\n"
        for name, (r, g, b) in zip(
            [*map(str, range(11)), *names],
            [*open_dataset(camvid, "val").classes.colours]
            + [(n, 7, 7) for n in range(21)],
            strict=True,
        )
    )
    (camvid / "class_dict.csv").write_text(text)
    assert detect(camvid).reader.NAME == "CamVid"
    (camvid / "class_dict.csv").unlink()
    THREE.write(camvid / "classes.csv")
    assert (detect(camvid).reader or type("", (), {"NAME": ""})).NAME != "CamVid"


def test_a_palette_of_camvids_colours_means_the_colours(camvid):
    for path in (camvid / "val_labels").iterdir():
        palette = Image.fromarray(COLOURS).convert("P", palette=Image.ADAPTIVE)
        palette.save(path)
    data = open_dataset(camvid, "val")
    assert check(data) == []
    np.testing.assert_array_equal(load_sample(data, 0)["label"], ELEVEN)
