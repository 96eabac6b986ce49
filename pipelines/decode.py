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

from pipelines.classes import ClassTable

# PNG header: 8 bytes signature, 8 of chunk length and type, then width, height,
# bit depth (byte 24), colour type (byte 25), three more, and a CRC (29 to 32).
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
DEPTH, COLOUR_TYPE, CRC = 24, 25, 29
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6

_FIRST_CALL = Lock()

# A CRC is linear: changing the colour type from 3 (palette) to 0 (grey) changes
# the header's CRC by these bits whatever the rest of the header says.
PALETTE_TO_GREY_CRC = np.array([0x12, 0xB5, 0xAF, 0xEE], np.uint8)


def decode_image(contents: tf.Tensor) -> tf.Tensor:
    """PNG or JPEG bytes to uint8 (H, W, 3).

    Grey is repeated, alpha dropped, of 16 bits the upper 8 are kept. EXIF
    rotation is not applied: `check` refuses it.
    """
    # This op takes PNG too; ACCURATE gives the same pixels as other decoders.
    image = tf.io.decode_jpeg(contents, channels=3, dct_method="INTEGER_ACCURATE")
    return tf.ensure_shape(image, (None, None, 3))


def decode_label(contents: tf.Tensor, encoding: str, table: tf.Tensor) -> tf.Tensor:
    """PNG bytes to class positions, uint8 (H, W), with VOID and UNKNOWN.

    Args:
        encoding: `index` or `colour`.
        table: `lookup_table(classes, encoding)`.
    """
    return tf.gather(table, decode_values(contents, encoding))


def decode_values(contents: tf.Tensor, encoding: str) -> tf.Tensor:
    """PNG bytes to what the file says, int32 (H, W).

    `index`: the stored values, 0..255, of a grey or palette PNG of any depth up
    to 8. `colour`: red * 65536 + green * 256 + blue.
    """
    if encoding == "colour":
        colours = tf.cast(tf.io.decode_png(contents, channels=3), tf.int32)
        colours = tf.ensure_shape(colours, (None, None, 3))
        return colours[..., 0] * 65536 + colours[..., 1] * 256 + colours[..., 2]
    header = tf.io.decode_raw(tf.strings.substr(contents, 0, 33), tf.uint8)
    header = tf.cond(
        header[COLOUR_TYPE] == PALETTE, lambda: _as_grey(header), lambda: header
    )
    grey = tf.strings.join([_to_bytes(header), tf.strings.substr(contents, 33, -1)])
    values = tf.cast(tf.io.decode_png(grey, channels=1), tf.int32)[..., 0]
    # The decoder stretches 1, 2 and 4 bits to 0..255.
    depth = tf.cast(header[DEPTH], tf.int32)
    return tf.ensure_shape(
        values // (255 // (tf.bitwise.left_shift(1, tf.minimum(depth, 8)) - 1)),
        (None, None),
    )


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
    """`colour` if the first readable PNG among `labels` is RGB(A), else `index`."""
    for path in labels:
        try:
            with open(path, "rb") as file:
                header = file.read(33)
        except OSError:
            continue
        if header.startswith(PNG_SIGNATURE) and len(header) == 33:
            return "colour" if header[COLOUR_TYPE] in (RGB, RGBA) else "index"
    return "index"


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
