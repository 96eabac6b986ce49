import numpy as np
import pytest
from PIL import Image

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.inference.one_picture import one_picture

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
RGBA = np.concatenate([RGB, RGB[..., :1] // 2], axis=-1)
GREY = np.repeat(RGB[..., :1], 3, axis=-1)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (RGB, RGB),
        (RGBA, RGB),
        (RGB[..., 0], GREY),
        (RGB[..., :1], GREY),
        (RGB.astype("int64"), RGB),
        (RGB[::-1, ::-1, ::-1], RGB[::-1, ::-1, ::-1]),
        (np.asfortranarray(RGB), RGB),
        (RGB.tolist(), RGB),
        (Image.fromarray(RGB), RGB),
        (Image.fromarray(RGBA), RGB),
        (Image.fromarray(RGB[..., 0]), GREY),
        (RGB[:1, :1], RGB[:1, :1]),
    ],
)
def test_pictures_come_in_many_forms(given, expected):
    found = one_picture(given)
    assert found.dtype == np.uint8 and found.flags.c_contiguous
    np.testing.assert_array_equal(found, expected)


def test_tensors_and_files_are_pictures_too(tmp_path):
    import keras

    path = tmp_path / "a.png"
    Image.fromarray(RGB).save(path)
    for given in (path, str(path), keras.ops.convert_to_tensor(RGB)):
        np.testing.assert_array_equal(one_picture(given), RGB)
    with pytest.raises(UserError, match="no such file"):
        one_picture(tmp_path / "b.png")


def test_a_picture_that_was_held_otherwise_is_turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = Image.fromarray(RGB)
    picture.getexif().update(exif)
    np.testing.assert_array_equal(one_picture(picture), np.rot90(RGB, -1))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (RGB / 255, r"float64 .*; give \(255 \* image\)\.round"),
        (RGB.astype("float32"), r"float32 .*; give image.round\(\)"),
        (RGB / 64.0 - 2, "it seems normalised"),
        (RGB * np.nan, "not all finite"),
        (RGB > 9, "got bool"),
        (RGB[None], "several at once, a list of them, or Segmenter"),
        ([RGB, RGB], "several at once, a list of them, or Segmenter"),
        (RGB.transpose(2, 0, 1), r"channels come last: give image.transpose\(1, 2, 0"),
        (RGB[..., :2], r"got \(5, 7, 2\)"),
        (RGB[:0], r"got \(0, 7, 3\)"),
        (RGB.astype(int) - 9, r"int64 -9\.\."),
        (RGB.astype("uint16") * 257, r"uint16 .*scale them"),
    ],
)
def test_what_is_no_picture_is_told_what_it_seems_to_be(given, said):
    with pytest.raises(ValueError, match=said):
        one_picture(given)
