import re
import subprocess
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import hyperseg_tf
from hyperseg_tf import pipelines
from hyperseg_tf.base.picture_file import (
    FORMATS,
    BadPicture,
    header_size,
    open_header,
)
from tests.hostile.entries import png, tiff

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"


def saved(kind, **options):
    file = BytesIO()
    Image.fromarray(np.zeros((5, 7, 3), np.uint8)).save(file, kind, **options)
    return BytesIO(file.getvalue())


@pytest.mark.parametrize("kind", FORMATS)
def test_named_formats_are_opened_by_their_header(kind):
    with open_header(saved(kind)) as header:
        assert header_size(header) == (5, 7)
        header.load()


def test_other_formats_are_named_and_no_program_is_started(monkeypatch):
    def started(*args, **options):
        raise AssertionError(args)

    monkeypatch.setattr(subprocess, "Popen", started)
    for contents, kind in (
        (BytesIO(EPS), "PostScript"),
        (saved("GIF"), "GIF"),
        (saved("PPM"), None),
        (BytesIO(b""), None),
        (BytesIO(b"II*\0" + b"\xff" * 99), None),
        (BytesIO(png(5, 7)[:20]), None),
    ):
        with pytest.raises(BadPicture) as error:
            open_header(contents)
        assert error.value.kind == kind


def test_only_the_formats_asked_for_are_tried():
    with pytest.raises(BadPicture):
        open_header(saved("BMP"), ("PNG", "MPO"))


def test_a_tile_larger_than_its_picture_counts():
    """One of a megabyte takes a gigabyte to decode, and its picture is 10x10."""
    with open_header(BytesIO(tiff((322, 32768), (323, 16384)))) as header:
        assert header.size == (10, 10)
        assert header_size(header) == (16384, 32768)


def test_a_tiff_with_a_tag_twice_is_refused():
    """Pillow sees the last tile width, libtiff decodes by the first."""
    twice = tiff((322, 32768), (322, 16), (323, 32768), (323, 16))
    with pytest.raises(BadPicture, match="twice"):
        open_header(BytesIO(twice))


def test_pillows_global_limit_is_not_needed(monkeypatch):
    for pixels in (None, 100):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pixels)
        with open_header(BytesIO(png(65_535, 65_536))) as header:
            assert header_size(header) == (65_535, 65_536)


def test_there_is_no_other_door():
    """A test may read what it has written; the project opens what others wrote."""
    for package in (hyperseg_tf, pipelines):
        for path in Path(package.__file__).parent.rglob("*.py"):
            doors = re.findall(r"\bImage\.open\(", path.read_text("utf-8"))
            assert not doors, path
