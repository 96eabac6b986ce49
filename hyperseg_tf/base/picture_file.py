"""The one door to files of pictures; `Image.open` is called nowhere.

Pillow knows some forty formats, and starts programs for some of them (Ghostscript for
an EPS, whatever its name); here are those that a picture comes in. `Image.open` would
also hold the size against a limit that is global to the process, and anybody's to
change; callers hold `header_size` against a `Limit` instead.
"""

import struct
import warnings
from threading import Lock
from typing import BinaryIO

# Their import registers the formats.
from PIL import (  # noqa: F401
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

# An MPO, a JPEG with more pictures behind the first, is opened as a JPEG.
FORMATS = ("PNG", "JPEG", "MPO", "BMP", "TIFF", "WEBP")
# Of their files.
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")

# What others begin with, to say what came instead.
_OTHERS = {
    b"GIF8": "GIF",
    b"%!PS": "PostScript",
    b"\xc5\xd0\xd3\xc6": "PostScript",
    b"%PDF": "PDF",
    b"8BPS": "PSD",
    b"SIMPLE": "FITS",
    b"\x00\x00\x00\x0cjP": "JPEG 2000",
}

_TILE_WIDTH, _TILE_LENGTH = 322, 323

# `catch_warnings` is not for several threads at once.
_OPENING = Lock()


class BadPicture(Exception):
    """What came is no picture of the formats asked for, or its header is damaged.

    Attributes:
        kind: What it is, such as "GIF", where that can be told.
    """

    def __init__(self, kind: str | None = None) -> None:
        super().__init__(kind or "no picture")
        self.kind = kind


def open_header(file: BinaryIO, formats: tuple[str, ...] = FORMATS) -> Image.Image:
    """Read the header of a picture; `load` of what is returned decodes it.

    Args:
        file: From `open_regular`, or bytes in memory; read from its beginning.
        formats: Some of `FORMATS`, or "GIF"; nothing else is tried.

    Raises:
        BadPicture: It is in none of these formats, or the header is damaged.
        OSError: It cannot be read.
    """
    head = file.read(16)
    file.seek(0)
    tried = [name for name in formats if name != "MPO"]
    try:
        with _OPENING, warnings.catch_warnings():
            # Odd metadata is not for the user of a command.
            warnings.simplefilter("ignore")
            header = _factory(head, tried)(file, "")
        if header.format == "TIFF":
            position = file.tell()
            _check_tags(file)
            file.seek(position)
        return header
    except (MemoryError, BadPicture):
        raise
    except Exception as error:
        # Decoders raise anything on damaged headers: struct.error, KeyError, ...
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise BadPicture from None


def header_size(header: Image.Image) -> tuple[int, int]:
    """(height, width) of the largest array that decoding fills.

    That is the picture's, or of a TIFF whose tiles are larger, a tile's.

    Raises:
        BadPicture: A TIFF says nothing sensible about its tiles.
    """
    tags = getattr(header, "tag_v2", {})
    height, width = (tags.get(tag, 0) for tag in (_TILE_LENGTH, _TILE_WIDTH))
    if not isinstance(height, int) or not isinstance(width, int):
        raise BadPicture
    return max(header.height, height), max(header.width, width)


def _factory(head: bytes, formats: list[str]):
    """What reads the header of a file that begins like this, as `Image.open` has it."""
    for name in formats:
        factory, accept = Image.OPEN[name]
        accepted = accept(head)
        # A string says what Pillow was built without.
        if accepted and not isinstance(accepted, str):
            return factory
    others = (kind for start, kind in _OTHERS.items() if head.startswith(start))
    raise BadPicture(next(others, None))


def _check_tags(file: BinaryIO) -> None:
    """Raise `BadPicture` where a TIFF has a tag twice.

    Of two sizes Pillow would see the last and libtiff, which decodes, the first.
    """
    file.seek(0)
    head = file.read(16)
    order = "<" if head[:2] == b"II" else ">"
    big = 43 in (head[2], head[3])
    (offset,) = struct.unpack_from(order + ("Q" if big else "I"), head, 8 if big else 4)
    file.seek(offset)
    count_format, entry_bytes = (order + "Q", 20) if big else (order + "H", 12)
    (count,) = struct.unpack(count_format, file.read(struct.calcsize(count_format)))
    if count > 2**16:
        raise BadPicture
    entries = file.read(entry_bytes * count)
    tags = [
        struct.unpack_from(order + "H", entries, at)[0]
        for at in range(0, len(entries) - 1, entry_bytes)
    ]
    if len(set(tags)) != len(tags):
        raise BadPicture("a TIFF with a tag twice")
