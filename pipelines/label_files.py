"""Labels in lossless files other than PNG, as values or colours, by Pillow and NumPy.

TensorFlow cannot decode these without losing the values of a palette, or at all.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from hyperseg_tf.base.orientation import upright
from hyperseg_tf.base.regular_file import open_regular, read_regular
from pipelines.classes import ClassTable
from pipelines.decode import LIMIT
from pipelines.pictures import open_header
from pipelines.samples import Finding

_FORMATS = {".bmp": "BMP", ".gif": "GIF", ".tif": "TIFF", ".tiff": "TIFF"}
_GREY = ("1", "L", "I", "I;16", "I;16B", "I;16L", "F")


def read_values(
    path: Path, classes: ClassTable, findings: list[Finding]
) -> np.ndarray | None:
    """What a BMP, GIF, TIFF or NPY label says: integers (H, W) or colours (H, W, 3).

    A palette of greys means these; one of the classes' colours means those; else the
    positions in the palette are the values.
    """
    if path.suffix.lower() == ".npy":
        return _array(path, findings)
    wanted = _FORMATS[path.suffix.lower()]
    header = open_header(path, read_regular(path), (wanted,), findings)
    if header is None:
        return None
    if getattr(header, "n_frames", 1) > 1:
        found = f"{header.n_frames} pictures in one file"
        findings.append(_finding(path, "a label is one picture", found))
        return None
    try:
        header.load()
        header = upright(header)
    except Exception:  # Decoders raise anything on damaged files.
        found = "it is damaged or cut short"
        findings.append(_finding(path, "the file can be decoded to its end", found))
        return None
    if header.mode == "P":
        return _through_palette(header, classes)
    if header.mode in _GREY:
        return _whole_numbers(path, np.asarray(header), findings)
    return np.asarray(header.convert("RGB"))


def _through_palette(picture: Image.Image, classes: ClassTable) -> np.ndarray:
    positions = np.asarray(picture)
    palette = np.zeros((256, 3), np.uint8)
    flat = np.frombuffer(bytes(picture.getpalette("RGB") or []), np.uint8)
    palette[: len(flat) // 3] = flat.reshape(-1, 3)
    used = palette[np.unique(positions)]
    if (used == used[:, :1]).all():
        return palette[positions][..., 0].astype(np.int64)
    known = {*classes.colours, *classes.void_colours}
    if all(tuple(map(int, colour)) in known for colour in used):
        return palette[positions]
    return positions.astype(np.int64)


def _array(path: Path, findings: list[Finding]) -> np.ndarray | None:
    rule = "a label array is integers (H, W), or colours uint8 (H, W, 3)"
    try:
        # A look at the file first: NumPy would wait for a FIFO.
        open_regular(path).close()
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        findings.append(_finding(path, rule, str(error)))
        return None
    if array.ndim == 3 and 1 in (array.shape[0], array.shape[2]):
        array = array[0] if array.shape[0] == 1 else array[..., 0]
    colours = array.ndim == 3 and array.shape[2] == 3 and array.dtype == np.uint8
    if not (array.ndim == 2 or colours) or not LIMIT.holds(*array.shape[:2]):
        findings.append(_finding(path, rule, f"{array.dtype} {array.shape}"))
        return None
    return np.array(array) if colours else _whole_numbers(path, array, findings)


def _whole_numbers(
    path: Path, values: np.ndarray, findings: list[Finding]
) -> np.ndarray | None:
    whole = np.issubdtype(values.dtype, np.integer) or values.dtype == bool
    if not whole:
        whole = np.issubdtype(values.dtype, np.floating) and (
            np.isfinite(values).all() and (values == np.round(values)).all()
        )
    if not whole:
        found = f"{values.dtype} with fractions"
        findings.append(_finding(path, "label values are whole numbers", found))
        return None
    return np.asarray(values).astype(np.int64)


def _finding(path: Path, rule: str, found: str) -> Finding:
    return Finding(path, rule, found, "save it as a PNG of class values")
