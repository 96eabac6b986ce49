from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageOps

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.pipelines import batches, check, load_sample, open_dataset, require
from hyperseg_tf.pipelines.check import inspect
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


def with_orientation(pixels, path, orientation, form):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, form, exif=exif, **LOSSLESS.get(form, {}))


LOSSLESS = {"JPEG": {"quality": 100, "subsampling": 0}}


# Seconds each: 2 mirrors and 6 turns, and of the two the others are made.
TURNED = [
    pytest.param(form, number, marks=[] if number in quick else [pytest.mark.slow])
    for form, quick in (("PNG", (6,)), ("JPEG", (2, 6)))
    for number in range(1, 9)
]


@pytest.mark.slow
@pytest.mark.parametrize(("form", "orientation"), TURNED)
def test_pictures_are_turned_as_their_exif_says_in_every_door(
    folder, orientation, form
):
    shape = (4, 3) if orientation >= 5 else (3, 4)
    pixels = np.zeros((*shape, 3), np.uint8)
    pixels[0, 0] = 255
    path = folder / "train/images/b.png"
    with_orientation(pixels, path, orientation, form)
    data = open_dataset(folder, "train")
    assert check(data) == [] and data[1].size() == (3, 4)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
    np.testing.assert_array_equal(load_sample(data, 1)["image"], expected)
    mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    for cache in (False, True):
        stream = batches(data, batch_size=1, count=3, shuffle=False, cache=cache)
        image = list(stream)[1][0][0].numpy()
        np.testing.assert_allclose(image * deviation + mean, expected / 255, atol=1e-5)


def test_labels_are_turned_where_they_say_so(folder):
    for name in "abc":
        exif = Image.Exif()
        exif[0x0112] = 6
        turned = np.rot90(TWO_VALUES)
        Image.fromarray(turned.copy()).save(
            folder / f"train/labels/{name}.png", exif=exif
        )
    data = open_dataset(folder, "train")
    plain = load_sample(open_dataset(folder, "val"), 0)["label"]
    np.testing.assert_array_equal(load_sample(data, 0)["label"], plain)


def test_a_label_drawn_on_the_picture_as_stored_is_told_why_it_does_not_fit(folder):
    pixels = np.zeros((3, 4, 3), np.uint8)
    with_orientation(pixels, folder / "train/images/b.png", 6, "JPEG")
    (line,) = findings(folder)
    assert "image 4x3, label 3x4" in line
    assert "EXIF turns the image, and the label was drawn without that" in line


def test_exif_behind_the_pixels_of_a_png_counts(folder):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 4, 3)).astype(np.uint8)
    path = folder / "train/images/b.png"
    with_orientation(pixels, path, 3, "PNG")
    contents = path.read_bytes()
    start = contents.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(contents[start : start + 4], "big")
    late = contents[:start] + contents[end:-12] + contents[start:end] + contents[-12:]
    path.write_bytes(late)
    image = load_sample(open_dataset(folder, "train"), 1)["image"]
    np.testing.assert_array_equal(image, pixels[::-1, ::-1])


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
