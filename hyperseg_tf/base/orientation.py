"""Which way a picture is to be turned: the orientation in its EXIF, and nothing else.

One rule for files and for exported models (`base/encoded.py` is the same in a graph):
the first entry 0x0112 of the first directory, of type SHORT or LONG, one number from 1
to 8. Of a JPEG the first APP1 segment that begins with "Exif" counts, of a PNG the eXIf
chunk. EXIF that is broken says nothing; neither do XMP and ImageMagick's text chunks,
which browsers do not look at either.
"""

import os
import struct
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps

from hyperseg_tf.base.picture_file import open_header

UPRIGHT = 1

_PNG = b"\x89PNG\r\n\x1a\n"
_MOST_CHUNKS, _MOST_EXIF = 100_000, 2**20
TAG, SHORT, LONG = 0x0112, 3, 4

# EXIF is a TIFF without a picture; a PNG's sometimes has the prefix of a JPEG's, too.
PREFIX = b"Exif\0\0"
LITTLE_ENDIAN, BIG_ENDIAN = b"II*\0", b"MM\0*"
ENTRY_BYTES = 12

# Numbers from here on swap height and width.
FIRST_SIDEWAYS = 5

_TURN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def upright(picture: Image.Image) -> Image.Image:
    """A picture from `open_header`, decoded and turned as its EXIF says."""
    if picture.format not in ("JPEG", "MPO", "PNG"):
        return ImageOps.exif_transpose(picture)
    picture.load()
    orientation = orientation_of(picture)
    return picture if orientation == UPRIGHT else picture.transpose(_TURN[orientation])


def orientation_of(picture: Image.Image) -> int:
    """1..8, of a JPEG, an MPO or, decoded if it is not yet, a PNG."""
    if picture.format == "PNG":
        picture.load()  # the chunk may lie behind the pixels
        exif = picture.info.get("exif", b"")
    else:
        segments = (content for name, content in picture.applist if name == "APP1")
        exif = next((s for s in segments if s.startswith(PREFIX)), b"")
    return orientation_in(exif.removeprefix(PREFIX))


def orientation_in_file(file: BinaryIO) -> int:
    """1..8, of an encoded picture of which no pixel is decoded for it.

    Of a PNG the chunks are walked through, wherever EXIF lies.
    """
    start = file.read(len(_PNG))
    if start == _PNG:
        return orientation_in(_png_exif(file))
    file.seek(0)
    if not start.startswith(b"\xff\xd8"):
        return UPRIGHT
    try:
        with open_header(file, ("JPEG",)) as header:
            return orientation_of(header)
    except Exception:  # whatever decoders raise on damaged files
        return UPRIGHT


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """An array (H, W, ...) the way up that an orientation says."""
    if orientation >= FIRST_SIDEWAYS:
        pixels = np.swapaxes(pixels, 0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _png_exif(file: BinaryIO) -> bytes:
    """What the last eXIf chunk holds, up to the end or the second frame."""
    exif = b""
    for _ in range(_MOST_CHUNKS):
        head = file.read(8)
        if len(head) < 8 or head[4:] in (b"IEND", b"fdAT"):
            break
        length = int.from_bytes(head[:4], "big")
        if head[4:] == b"eXIf":
            exif = file.read(min(length, _MOST_EXIF))
            length -= len(exif)
        file.seek(length + 4, os.SEEK_CUR)
    return exif


def orientation_in(exif: bytes) -> int:
    """What EXIF, from its byte order on, says: 1..8, and 1 where it says nothing."""
    exif = exif.removeprefix(PREFIX)
    order = {LITTLE_ENDIAN: "<", BIG_ENDIAN: ">"}.get(exif[:4])
    if order is None or len(exif) < 8:
        return UPRIGHT
    (start,) = struct.unpack_from(order + "I", exif, 4)
    if start + 2 > len(exif):
        return UPRIGHT
    (count,) = struct.unpack_from(order + "H", exif, start)
    # A directory that is cut is read as far as it goes.
    count = min(count, (len(exif) - start - 2) // ENTRY_BYTES)
    for index in range(count):
        at = start + 2 + ENTRY_BYTES * index
        tag, kind, numbers = struct.unpack_from(order + "HHI", exif, at)
        if tag == TAG and kind in (SHORT, LONG) and numbers == 1:
            form = order + ("H" if kind == SHORT else "I")
            (value,) = struct.unpack_from(form, exif, at + 8)
            return value if value in _TURN else UPRIGHT
    return UPRIGHT
