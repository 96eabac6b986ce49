"""Labels in files other than PNG, as values or colours, by Pillow and NumPy.

TensorFlow cannot decode these without losing the values of a palette, or at all. JPEG
has lost some when it was written: it is read where the nearest class is asked for, and
the classes are far enough apart to tell which that is.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from hyperseg_tf.base.orientation import upright
from hyperseg_tf.base.regular_file import open_regular, read_regular
from hyperseg_tf.pipelines.array_pairs import ArrayPair, Read
from hyperseg_tf.pipelines.classes import UNKNOWN, ClassTable
from hyperseg_tf.pipelines.decode import LIMIT, lookup_table
from hyperseg_tf.pipelines.pictures import open_header
from hyperseg_tf.pipelines.samples import Finding

_FORMATS = {".bmp": "BMP", ".gif": "GIF", ".tif": "TIFF", ".tiff": "TIFF"}
_LOSSY = (".jpg", ".jpeg")
_FORMATS |= dict.fromkeys(_LOSSY, "JPEG")
_GREY = ("1", "L", "I", "I;16", "I;16B", "I;16L", "F")

# How far JPEG moves values in flat areas, at the qualities that tools write.
_MOVED = 8


@dataclass(frozen=True)
class LabelFile(ArrayPair):
    """An image file and a label file that `read_values` reads."""

    values: Read | None = None

    def read(self, findings: list[Finding]) -> np.ndarray | None:
        """Values or colours in the file."""
        path = self.label_source
        values = read_values(path, self.classes, findings)
        if values is None or path.suffix.lower() not in _LOSSY:
            return values
        found = _unreliable(path, values, self.classes)
        if found is None:
            return values
        findings.append(found)
        return None


def read_values(
    path: Path, classes: ClassTable, findings: list[Finding]
) -> np.ndarray | None:
    """What a label file says: integers (H, W) or colours, uint8 (H, W, 3).

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


def _unreliable(path: Path, values: np.ndarray, classes: ClassTable) -> Finding | None:
    """What speaks against reading a JPEG so; unknown values speak for themselves."""
    reading = classes.reading
    by_value = values.ndim == 2 or reading.grey
    near = _near_values(classes) if by_value else _near_colours(classes)
    # Values far above those of the classes are of another kind: 255 in a mask.
    like = not by_value or values.max() <= max(classes.values) + _MOVED
    if near is not None and (reading.nearest or like):
        return Finding(
            path,
            "classes of a JPEG label are further apart than compression moves values",
            f"{near[0]} and {near[1]}",
            "export the labels as PNG; or, where the files hold other values, say "
            "which: --read-labels 0=0,255=1,nearest",
        )
    encoding = "index" if values.ndim == 2 else "colour"
    codes = values if values.ndim == 2 else values.astype(np.int64) @ (65536, 256, 1)
    known = (lookup_table(classes, encoding)[codes] != UNKNOWN).all()
    if reading.nearest or not known:
        return None
    rules = ",".join(
        filter(None, (str(replace(reading, others_void=False)), "nearest"))
    )
    return Finding(
        path,
        "a label keeps its values, as one that was a JPEG does not",
        "a JPEG",
        f"export it as PNG, or take the nearest class: --read-labels {rules}",
    )


def _near_values(classes: ClassTable) -> tuple[int, int] | None:
    """Two values of different classes that JPEG may turn into one another."""
    plain = replace(classes.reading, nearest=False, others_void=False)
    table = replace(classes, reading=plain).index_table().astype(int)
    known = np.flatnonzero(table < UNKNOWN)
    for one, other in zip(known[:-1], known[1:], strict=True):
        if table[one] != table[other] and other - one <= 2 * _MOVED:
            return int(one), int(other)
    return None


def _near_colours(classes: ClassTable) -> tuple | None:
    colours = np.array(classes.colours)
    away = np.abs(colours[:, None] - colours[None]).max(axis=-1)
    pairs = np.argwhere((away <= 2 * _MOVED) & ~np.eye(len(colours), dtype=bool))
    return tuple(classes.colours[k] for k in pairs[0]) if len(pairs) else None


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
