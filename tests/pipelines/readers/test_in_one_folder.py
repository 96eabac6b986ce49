import numpy as np
import pytest
from PIL import Image

from hyperseg_tf.pipelines import check, detect, load_sample, open_dataset, splits
from tests.pipelines.folders import VALUES, image, label


def fill(folder, tail="_mask"):
    for n in range(2):
        image(folder / f"{n}_png.rf.0a1b.jpg", seed=n)
        label(folder / f"{n}_png.rf.0a1b{tail}.png", (VALUES + n) % 3)
    (folder / "_classes.csv").write_text("Pixel Value, Class\n0, a\n1, b\n2, c\n")


@pytest.mark.parametrize("tail", ["_mask", "-label", "_L"])
def test_masks_beside_their_pictures_are_read_in_every_split(tmp_path, tail):
    for split in ("train", "valid", "test"):
        fill(tmp_path / split, tail)
    assert splits(tmp_path) == ("train", "val", "test")
    data = open_dataset(tmp_path, "val")
    assert data.classes.names == ("a", "b", "c") and check(data) == []
    assert [sample.name for sample in data] == ["0_png.rf.0a1b", "1_png.rf.0a1b"]
    np.testing.assert_array_equal(load_sample(data, 1)["label"], (VALUES + 1) % 3)


def test_a_folder_without_splits_is_train_and_lonely_pictures_are_found(tmp_path):
    fill(tmp_path)
    image(tmp_path / "lonely.jpg")
    assert splits(tmp_path) == ("train",)
    (finding,) = open_dataset(tmp_path, "train").findings
    assert finding.source == tmp_path / "lonely.jpg"


def test_pictures_alone_are_no_such_folder(tmp_path):
    image(tmp_path / "train/a.jpg")
    image(tmp_path / "train/gas_mask.png")
    assert detect(tmp_path).reader is None


def test_masks_that_are_jpegs_too_are_pairs(tmp_path):
    for n in range(2):
        (tmp_path / "train").mkdir(exist_ok=True)
        # A block of JPEG for each class, so that values stay where they are.
        values = np.full((16, 24), 200, np.uint8)
        values[:8] = 0
        Image.fromarray(np.zeros((16, 24, 3), np.uint8)).save(
            tmp_path / f"train/{n}.jpg"
        )
        mask = Image.fromarray(values)
        mask.save(tmp_path / f"train/{n}_mask.jpg", quality=95)
    (tmp_path / "train/_classes.csv").write_text("Pixel Value, Class\n0, a\n200, b\n")
    assert detect(tmp_path).reader.NAME.startswith("images and masks in one folder")
    data = open_dataset(tmp_path, "train", labels="nearest")
    assert [sample.name for sample in data] == ["0", "1"] and check(data) == []
    label = load_sample(data, 1)["label"]
    assert (label[:8] == 0).all() and (label[8:] == 1).all()
