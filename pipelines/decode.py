"""Bytes of an image or label file to tensors, in TensorFlow ops only.

TensorFlow's PNG decoder expands a palette to its colours, which loses the class
values of a palette mask. `decode_label` therefore tells the decoder that such a
file is grey: the pixels are the same bytes, only the header says palette.
"""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from threading import Lock

import numpy as np
import tensorflow as tf

from hyperseg_tf.base.encoded import decode_rgb, size_of
from hyperseg_tf.base.limit import Limit
from hyperseg_tf.base.regular_file import open_regular
from hyperseg_tf.ops.map_bytes import map_bytes
from hyperseg_tf.pipelines.classes import ClassTable

# PNG header: 8 bytes signature, 8 of chunk length and type, then width, height,
# bit depth (byte 24), colour type (byte 25), three more, and a CRC (29 to 32).
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
DEPTH, COLOUR_TYPE, CRC = 24, 25, 29
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6

# Of every image and label. Decoding one of a hundred million pixels takes 0.3 to 2 GB.
LIMIT = Limit(100_000_000, multiple=1)

_FIRST_CALL = Lock()

# A CRC is linear: changing the colour type from 3 (palette) to 0 (grey) changes
# the header's CRC by these bits whatever the rest of the header says.
PALETTE_TO_GREY_CRC = np.array([0x12, 0xB5, 0xAF, 0xEE], np.uint8)


def decode_image(contents: tf.Tensor) -> tf.Tensor:
    """PNG or JPEG bytes to uint8 (H, W, 3).

    Grey is repeated, alpha dropped, of 16 bits the upper 8 are kept. Pixels are as
    stored: who reads a file turns them as its EXIF says. Larger pictures than `LIMIT`
    are an `InvalidArgumentError`, before they are decoded.
    """
    return decode_rgb(_within_limit(contents))


def decode_label(contents: tf.Tensor, encoding: str, table: tf.Tensor) -> tf.Tensor:
    """PNG bytes to class positions, uint8 (H, W), with VOID and UNKNOWN.

    Args:
        encoding: `index` or `colour`.
        table: `lookup_table(classes, encoding)`.
    """
    if encoding == "colour":
        return tf.gather(table, decode_values(contents, encoding))
    values, step = _decode_bytes(_within_limit(contents))
    # What each byte stands for, of any depth: the picture is gone through once.
    return map_bytes(values, tf.gather(table, tf.range(256) // step))


def decode_values(contents: tf.Tensor, encoding: str) -> tf.Tensor:
    """PNG bytes to what the file says, int32 (H, W).

    `index`: the stored values, 0..255, of a grey or palette PNG of any depth up
    to 8. `colour`: red * 65536 + green * 256 + blue. Larger pictures than `LIMIT`
    are an `InvalidArgumentError`, before they are decoded.
    """
    contents = _within_limit(contents)
    if encoding == "colour":
        colours = tf.cast(tf.io.decode_png(contents, channels=3), tf.int32)
        colours = tf.ensure_shape(colours, (None, None, 3))
        return colours[..., 0] * 65536 + colours[..., 1] * 256 + colours[..., 2]
    values, step = _decode_bytes(contents)
    return tf.cast(values, tf.int32) // step


def _decode_bytes(contents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Grey or palette PNG to uint8 (H, W), and how far apart its values are.

    The decoder stretches 1, 2 and 4 bits to 0..255.
    """
    header = tf.io.decode_raw(tf.strings.substr(contents, 0, 33), tf.uint8)
    header = tf.cond(
        header[COLOUR_TYPE] == PALETTE, lambda: _as_grey(header), lambda: header
    )
    grey = tf.strings.join([_to_bytes(header), tf.strings.substr(contents, 33, -1)])
    values = tf.io.decode_png(grey, channels=1)
    values = tf.reshape(values, tf.shape(values)[:2])
    depth = tf.minimum(tf.cast(header[DEPTH], tf.int32), 8)
    step = 255 // (tf.bitwise.left_shift(1, depth) - 1)
    return tf.ensure_shape(values, (None, None)), step


def lookup_table(classes: ClassTable, encoding: str) -> np.ndarray:
    """The uint8 table that `decode_label` looks file values up in; read-only."""
    # Threads that meet nothing ready would each make their own, of up to 16 MiB.
    with _FIRST_CALL:
        return _lookup_table(classes, encoding)


@lru_cache(maxsize=4)
def _lookup_table(classes: ClassTable, encoding: str) -> np.ndarray:
    is_colour = encoding == "colour"
    table = classes.colour_table() if is_colour else classes.index_table()
    table.setflags(write=False)
    return table


def sniff_encoding(labels: Iterable[Path]) -> str:
    """`colour` if the first PNG among `labels` that is no palette is RGB(A).

    Else `index`; a palette beside colour masks shows the same colours as these.
    """
    for path in labels:
        try:
            with open_regular(path) as file:
                header = file.read(33)
        except (OSError, ValueError):
            continue
        if header.startswith(PNG_SIGNATURE) and len(header) == 33:
            if header[COLOUR_TYPE] != PALETTE:
                return "colour" if header[COLOUR_TYPE] in (RGB, RGBA) else "index"
    return "index"


def _within_limit(contents: tf.Tensor) -> tf.Tensor:
    """The same bytes, where their header promises a picture within `LIMIT`."""
    size = size_of(contents)
    sides = (tf.reduce_min(size) >= 1) & (tf.reduce_max(size) <= LIMIT.side)
    holds = tf.debugging.Assert(
        sides & (tf.reduce_prod(size) <= LIMIT.pixels),
        [f"a picture is a PNG or JPEG of at most {LIMIT}; height and width are", size],
    )
    with tf.control_dependencies([holds]):
        return tf.identity(contents)


def _as_grey(header: tf.Tensor) -> tf.Tensor:
    """The 33 header bytes of a palette PNG, saying grey instead."""
    crc = tf.bitwise.bitwise_xor(header[CRC:], PALETTE_TO_GREY_CRC)
    grey = tf.constant([GREY], tf.uint8)
    return tf.concat(
        [header[:COLOUR_TYPE], grey, header[COLOUR_TYPE + 1 : CRC], crc], 0
    )


def _to_bytes(values: tf.Tensor) -> tf.Tensor:
    """uint8 (N,) to a string of N bytes."""
    return tf.strings.reduce_join(tf.gather(_BYTES, tf.cast(values, tf.int32)))


_BYTES = np.array([bytes([i]) for i in range(256)], object)
