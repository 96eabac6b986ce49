from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from hyperseg_tf.base.errors import UserError
from pipelines import check, open_dataset, require
from pipelines.check import inspect
from tests.pipelines.folders import TWO_VALUES, findings


def test_sound_folders_have_no_findings_and_pixels_are_counted(folder):
    report = inspect(open_dataset(folder, "train"))
    assert report.findings == ()
    assert report.class_pixels.tolist() == [21, 9] and report.void_pixels == 6
    require(open_dataset(folder, "train"))


def test_sizes_that_differ_are_named(folder):
    Image.fromarray(TWO_VALUES.T.copy()).save(folder / "train/labels/b.png")
    (line,) = findings(folder)
    assert "labels/b.png: image and label have the same size" in line
    assert "image 3x4, label 4x3" in line


def test_a_rotation_that_only_the_image_would_take_is_refused(folder):
    exif = Image.Exif()
    for name, orientation in (("a", 3), ("b", 1), ("c", 6)):
        exif[0x0112] = orientation
        pixels = Image.fromarray(np.zeros((3, 4, 3), np.uint8))
        form = "PNG" if name == "c" else "JPEG"
        pixels.save(folder / f"train/images/{name}.png", form, exif=exif)
    a, c = findings(folder)
    assert "images/a.png" in a and "EXIF orientation 3" in a
    assert "images/c.png" in c and "EXIF orientation 6" in c


def test_twelve_bits_in_sixteen_are_refused(folder):
    deep = np.full((3, 4), 4095, np.uint16)
    Image.fromarray(deep).save(folder / "train/images/a.png")
    (line,) = findings(folder)
    assert "of 16 bits the upper 8 are used: no value above 15" in line
    Image.fromarray(deep * 16).save(folder / "train/images/a.png")
    assert findings(folder) == []


def test_masks_of_zero_and_255_are_not_taken_for_two_classes(folder):
    for name in ("a", "b", "c"):
        mask = np.where(TWO_VALUES == 1, 255, 0).astype(np.uint8)
        Image.fromarray(mask).save(folder / f"train/labels/{name}.png")
    (line,) = findings(folder)
    assert "only road, and void in 25.0 % of the pixels" in line


def test_require_names_the_first_and_counts_all(folder):
    data = open_dataset(folder, "train")
    for sample in data:
        sample.image_source.write_bytes(b"")
    data = replace(data, findings=tuple(check(data)[:2]))
    with pytest.raises(UserError) as error:
        require(data)
    text = str(error.value)
    assert "5 findings" in text and "images/a.png" in text and "\n" not in text
    assert f"hyperseg-tf data check {folder}" in text
