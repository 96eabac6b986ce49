"""Pictures whose EXIF is written byte by byte, so that it may be wrong."""

import struct
from io import BytesIO

import numpy as np
from PIL import Image

from tests.hostile.pictures import chunk


def entry(order, tag, kind, count, value):
    """An entry of a directory; a SHORT lies in front of its two spare bytes."""
    form = "HHIHH" if kind == 3 else "HHII"
    return struct.pack(order + form, tag, kind, count, value, *([0] * (kind == 3)))


def exif(order, *entries, start=8, count=None):
    """From the byte order on; `count` and `start` may lie."""
    head = b"II*\0" if order == "<" else b"MM\0*"
    count = struct.pack(order + "H", len(entries) if count is None else count)
    return head + struct.pack(order + "I", start) + count + b"".join(entries) + bytes(4)


def encoded(kind, height=6, width=9):
    file = BytesIO()
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(image).save(file, kind)
    return file.getvalue()


def segment(marker, content):
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def jpeg_with(*exifs, size=(6, 9)):
    """A JPEG with these in its APP1 segments."""
    jpeg = encoded("JPEG", *size)
    segments = (segment(0xE1, b"Exif\0\0" + content) for content in exifs)
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def png_with(*exifs, behind=None, size=(6, 9)):
    """A PNG with these in eXIf chunks, `behind` its pixels."""
    png = encoded("PNG", *size)
    first, last = 8 + 25, png.rindex(b"IEND") - 4
    ahead = b"".join(chunk(b"eXIf", content) for content in exifs)
    end = b"" if behind is None else chunk(b"eXIf", behind)
    return png[:first] + ahead + png[first:last] + end + png[last:]
