import numpy as np
import pytest
from PIL import Image, ImageFilter

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.pipelines import (
    ClassTable,
    check_folder,
    fix,
    load_sample,
    open_dataset,
)
from hyperseg_tf.pipelines.fix import SHEET

TABLE = ClassTable(("floor", "part"), ((10, 20, 200), (250, 120, 30)))
# Large enough for edges to have few of the pixels.
VALUES = np.zeros((160, 200), np.uint8)
VALUES[40:120, 50:150] = 1


def write(root, save, pixels=None, splits=("train", "val")):
    """Pairs whose labels `save(path, VALUES)` has written."""
    pixels = np.full((*VALUES.shape, 3), 90, np.uint8) if pixels is None else pixels
    for split in splits:
        for name in "ab":
            for part in ("images", "labels"):
                (root / split / part).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(root / split / "images" / f"{name}.png")
            save(root / split / "labels" / f"{name}.png", VALUES)
    TABLE.write(root / "classes.csv")
    return root


def _binary(path, values):
    Image.fromarray(255 * values).save(path)


def _from_one(path, values):
    Image.fromarray(values + 1).save(path)


def _grey(path, values):
    Image.fromarray(np.repeat(values[..., None], 3, axis=-1)).save(path)


def _bgr(path, values):
    Image.fromarray(np.array(TABLE.colours, np.uint8)[values][..., ::-1]).save(path)


def _soft(path, values):
    colours = np.array(TABLE.colours, np.uint8)[values]
    Image.fromarray(colours).filter(ImageFilter.GaussianBlur(0.6)).save(path)


@pytest.mark.parametrize("save", [_binary, _from_one, _grey, _bgr, _soft])
def test_what_is_wrong_with_all_labels_is_right_in_the_copy(tmp_path, save):
    data = write(tmp_path / "data", save)
    assert check_folder(data).findings
    fixed = fix(data, tmp_path / "fixed")
    assert fixed.samples == {"train": 2, "val": 2} and fixed.labels
    assert check_folder(tmp_path / "fixed").findings == ()
    label = load_sample(open_dataset(tmp_path / "fixed", "train"), 0)["label"]
    wrong = (label != VALUES).mean()
    assert wrong == 0 if save is not _soft else wrong < 0.03
    with Image.open(tmp_path / "fixed" / SHEET) as sheet:
        assert sheet.width > 3 * 256
    assert {path.name for path in tmp_path.iterdir()} == {"data", "fixed"}


def test_pictures_of_12_bits_fill_8(tmp_path):
    def right(path, values):
        Image.fromarray(values).save(path)

    deep = np.full(VALUES.shape, 3200, np.uint16)
    deep[:10] = 40
    data = write(tmp_path / "data", right, deep)
    fixed = fix(data, tmp_path / "fixed")
    assert (fixed.bits, fixed.labels) == (12, "")
    image = load_sample(open_dataset(tmp_path / "fixed", "val"), 0)["image"]
    assert image[15, 3].tolist() == [200] * 3 and image[3, 3].tolist() == [2] * 3


def test_what_no_rule_mends_is_named_and_nothing_is_written(tmp_path):
    data = write(tmp_path / "data", lambda path, values: path.write_text("no picture"))
    with pytest.raises(UserError, match="mended by hand first"):
        fix(data, tmp_path / "fixed")
    right = write(tmp_path / "right", lambda p, v: Image.fromarray(v).save(p))
    with pytest.raises(UserError, match="nothing is to be fixed"):
        fix(right, tmp_path / "fixed")
    assert not (tmp_path / "fixed").exists()


def test_a_set_without_validation_is_fixed_all_the_same(tmp_path):
    data = write(tmp_path / "data", _binary, splits=("train",))
    assert fix(data, tmp_path / "fixed").samples == {"train": 2}
