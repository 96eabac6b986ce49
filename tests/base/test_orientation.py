import struct
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageOps

from hyperseg_tf.base.orientation import orientation_in, orientation_of, upright
from hyperseg_tf.base.picture_file import open_header
from tests.base.exif import entry, exif, jpeg_with, png_with


def pixels():
    return np.arange(6 * 9 * 3, dtype=np.uint8).reshape(6, 9, 3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(10))
def test_pictures_are_turned_as_pillow_turns_them(kind, orientation):
    file = BytesIO()
    facts = Image.Exif()
    facts[0x0112] = orientation
    Image.fromarray(pixels()).save(file, kind, exif=facts)
    expected = np.asarray(
        ImageOps.exif_transpose(open_header(BytesIO(file.getvalue())))
    )
    found = np.asarray(upright(open_header(BytesIO(file.getvalue()))))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("order", "<>")
def test_the_first_number_of_the_right_kind_counts(order):
    six, three = entry(order, 0x0112, 3, 1, 6), entry(order, 0x0112, 4, 1, 3)
    other = entry(order, 0x010F, 2, 900, 7)
    assert orientation_in(exif(order, other, six, three)) == 6
    assert orientation_in(exif(order, three, six)) == 3
    # Bytes, two numbers, a fraction; a number that turns nothing.
    for strange in (
        (1, 1, 6),
        (3, 2, 6),
        (5, 1, 6),
        (3, 1, 0),
        (3, 1, 9),
        (4, 1, 2**31),
    ):
        assert orientation_in(exif(order, entry(order, 0x0112, *strange))) == 1


def test_a_directory_that_is_cut_or_lies_is_read_as_far_as_it_goes():
    six = entry("<", 0x0112, 3, 1, 6)
    assert orientation_in(exif("<", six, count=65_535)) == 6
    whole = exif("<", entry("<", 0x010F, 2, 1, 0), six)
    for length in range(len(whole) - 4):
        assert orientation_in(whole[:length]) == (6 if length >= 34 else 1)
    for start in (0, 4, 2**31, 2**32 - 1):
        assert orientation_in(exif("<", six, start=start)) == 1
    assert orientation_in(b"II+\0" + whole[4:]) == 1


def test_of_a_jpeg_the_first_and_of_a_png_the_last_exif_counts():
    six, three = (exif("<", entry("<", 0x0112, 3, 1, n)) for n in (6, 3))
    for contents, expected in (
        (jpeg_with(six, three), 6),
        (png_with(six, three), 3),
        (png_with(b"Exif\0\0" + six), 6),
        (jpeg_with(b"Exif\0\0" + six), 6),
        (png_with(behind=six), 6),
        (jpeg_with(b""), 1),
        (png_with(b"junk"), 1),
    ):
        assert orientation_of(open_header(BytesIO(contents))) == expected


def test_broken_exif_and_xmp_turn_nothing():
    xmp = b'http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation="6"/>'
    segment = b"\xff\xe1" + struct.pack(">H", len(xmp) + 2) + xmp
    jpeg = jpeg_with()
    for contents in (jpeg_with(b"II*\0" + bytes(2)), jpeg[:2] + segment + jpeg[2:]):
        assert upright(open_header(BytesIO(contents))).size == (9, 6)
