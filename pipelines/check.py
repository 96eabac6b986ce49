"""Every rule that image and label files keep, tried on every file.

Training refuses to start on a finding (`require`); `hyperseg-tf data check`
lists them all. Files are decoded by the very ops that training uses: what passes
here decodes there.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from hyperseg_tf.base.constants import VOID
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.progress import bar
from pipelines.classes import UNKNOWN
from pipelines.datasets import Dataset, Finding
from pipelines.decode import (
    COLOUR_TYPE,
    DEPTH,
    GREY,
    PALETTE,
    RGB,
    RGBA,
    decode_image,
    decode_values,
    lookup_table,
)

EXIF_ORIENTATION = 0x0112


@dataclass(frozen=True)
class Report:
    """Findings, and how many pixels each class has.

    `class_pixels` is int64 (N,); it and `void_pixels` count the labels that could
    be decoded.
    """

    findings: tuple[Finding, ...]
    class_pixels: np.ndarray
    void_pixels: int


def check(dataset: Dataset) -> list[Finding]:
    """All findings of all files, in the dataset's order; empty when all is well."""
    return list(inspect(dataset).findings)


def require(dataset: Dataset) -> None:
    """Do nothing if `check` finds nothing.

    Raises:
        UserError: with the first findings, their number and where to see all.
    """
    findings = check(dataset)
    if findings:
        shown = " ".join(str(finding) for finding in findings[:3])
        raise UserError(
            f"{dataset.directory}, {dataset.split}: training starts on sound files "
            f"only: {len(findings)} finding{'s' * (len(findings) > 1)}: {shown} "
            f"List all with `hyperseg-tf data check {dataset.directory}`."
        )


def inspect(
    dataset: Dataset, progress: Callable[[int, int], None] | None = None
) -> Report:
    """Decode every pair, several at a time, and count the pixels of every class.

    Args:
        progress: Called with (pairs done, pairs in all); a bar on stderr where
            that is a terminal and nothing is given.
    """
    progress = progress or bar(f"checking {dataset.split}")
    findings = list(dataset.findings)
    pixels = np.zeros(256, np.int64)
    # Made here, once: threads that meet nothing ready each make their own.
    _decoder("image"), _decoder(dataset.encoding)
    lookup_table(dataset.classes, dataset.encoding)
    with ThreadPoolExecutor() as pool:
        results = pool.map(lambda i: inspect_pair(dataset, i)[1:], range(len(dataset)))
        for done, (found, counts) in enumerate(results, 1):
            findings += found
            pixels += counts
            progress(done, len(dataset))
    class_pixels, void_pixels = pixels[: len(dataset.classes)], int(pixels[VOID])
    if not findings and dataset.encoding == "index":
        findings += _only_void_beside(dataset, class_pixels, void_pixels)
    return Report(tuple(findings), class_pixels, void_pixels)


def inspect_pair(
    dataset: Dataset, i: int
) -> tuple[dict[str, np.ndarray], list[Finding], np.ndarray]:
    """Decode pair `i` and try every rule on it.

    Returns:
        The sample as far as it could be decoded ("image" uint8 (H, W, 3), "label"
        uint8 (H, W)), the findings, and pixels per label value, int64 (256,).
    """
    image_file, label_file = dataset.pairs[i]
    findings: list[Finding] = []
    sample = {}
    counts = np.zeros(256, np.int64)
    image = _image(image_file, findings)
    if image is not None:
        sample["image"] = image
    label = _label(label_file, dataset, findings)
    if label is not None:
        sample["label"] = label
        counts += np.bincount(label.reshape(-1), minlength=256)
    if image is not None and label is not None and image.shape[:2] != label.shape:
        findings.append(
            Finding(
                label_file,
                "image and label have the same size",
                f"image {_size(image)}, label {_size(label)} (height x width)",
                f"resize the label by nearest neighbour or replace {image_file}",
            )
        )
    return sample, findings, counts


def _image(path: Path, findings: list[Finding]) -> np.ndarray | None:
    # MPO: what several cameras write, a JPEG with more pictures behind the first.
    contents, header = _open(path, ("PNG", "JPEG", "MPO"), findings)
    if header is None:
        return None
    image = _decode(path, _decoder("image"), contents, findings)
    if image is None:
        return None
    orientation = _orientation(header, contents)
    if orientation != 1:
        findings.append(
            Finding(
                path,
                "pixels are stored the way they are shown",
                f"EXIF orientation {orientation}, which would turn the image but not "
                "its label",
                "turn the pixels themselves (ImageOps.exif_transpose of Pillow, or "
                "exiftran -a) or remove the entry, whichever fits the label",
            )
        )
    if header.format == "PNG" and contents[DEPTH] == 16 and image.max() < 16:
        findings.append(
            Finding(
                path,
                "of 16 bits the upper 8 are used",
                f"no value above {image.max()} there: 12 bits or fewer in 16",
                "stretch the values or save 8 bits",
            )
        )
    return image


def _label(path: Path, dataset: Dataset, findings: list[Finding]) -> np.ndarray | None:
    contents, header = _open(path, ("PNG",), findings)
    if header is None:
        return None
    depth, colour_type = contents[DEPTH], contents[COLOUR_TYPE]
    is_index = dataset.encoding == "index"
    fitting = (GREY, PALETTE) if is_index else (RGB, RGBA, PALETTE)
    if depth == 16 or colour_type not in fitting:
        kinds = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGBA"}
        expected = "grey or palette" if is_index else "RGB, RGBA or palette"
        findings.append(
            Finding(
                path,
                f"labels of this split are {dataset.encoding} masks: 8-bit {expected} "
                "PNGs",
                f"{kinds.get(colour_type, 'unknown')}, {depth} bits",
                "save all labels of a split in the same way",
            )
        )
        return None
    values = _decode(path, _decoder(dataset.encoding), contents, findings)
    if values is None:
        return None
    label = lookup_table(dataset.classes, dataset.encoding)[values]
    unknown = values[label == UNKNOWN]
    if unknown.size:
        findings.append(_unknown_values(path, unknown, dataset))
    elif is_index and colour_type == PALETTE:
        _compare_palette(path, header, values, dataset, findings)
    return label


def _open(
    path: Path, formats: tuple[str, ...], findings: list[Finding]
) -> tuple[bytes, Image.Image | None]:
    """The file's bytes and its header, or None for the header and a finding."""
    try:
        contents = path.read_bytes()
    except OSError as error:
        findings.append(
            Finding(
                path,
                "every listed file can be read",
                error.strerror or str(error),
                "restore it or take its pair out",
            )
        )
        return b"", None
    try:
        header = Image.open(BytesIO(contents))
        kind = header.format
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        header = None
        text = "" if isinstance(error, Image.UnidentifiedImageError) else f", {error}"
        kind = f"no picture ({len(contents)} bytes{text})"
    if header is None or kind not in formats:
        kinds = " or ".join(formats[:2])
        reason = ", which loses label values" if kind == "JPEG" else ""
        findings.append(
            Finding(
                path,
                f"the file holds {kinds} data",
                f"{kind}{reason}",
                f"save it as {formats[0]}",
            )
        )
        return contents, None
    return contents, header


@cache
def _decoder(kind: str):
    """`decode_image`, or `decode_values` of an encoding, as a traced function."""

    def decode(contents: tf.Tensor) -> tf.Tensor:
        if kind == "image":
            return decode_image(contents)
        return decode_values(contents, kind)

    with tf.device("CPU"):
        return tf.function(decode).get_concrete_function(tf.TensorSpec((), tf.string))


def _decode(
    path: Path, decode, contents: bytes, findings: list[Finding]
) -> np.ndarray | None:
    try:
        return decode(tf.constant(contents)).numpy()
    except tf.errors.OpError:
        # The decoders' own messages say no more than this.
        findings.append(
            Finding(
                path,
                "the file can be decoded to its end",
                f"it is damaged or cut short ({len(contents)} bytes)",
                "restore it or take its pair out",
            )
        )
        return None


def _orientation(header: Image.Image, contents: bytes) -> int:
    # Pillow decodes a whole PNG to look for the entry, which few PNGs have.
    if header.format == "PNG" and b"eXIf" not in contents:
        return 1
    try:
        return header.getexif().get(EXIF_ORIENTATION, 1) or 1
    except Exception:  # Pillow raises many kinds on broken EXIF, which says nothing.
        return 1


def _unknown_values(path: Path, unknown: np.ndarray, dataset: Dataset) -> Finding:
    values, pixels = np.unique(unknown, return_counts=True)
    order = np.argsort(-pixels, kind="stable")
    names = [
        f"{_name(values[k], dataset.encoding)} ({pixels[k]} pixels)" for k in order[:5]
    ]
    more = f" and {len(order) - 5} more" if len(order) > 5 else ""
    classes = dataset.classes
    if dataset.encoding == "index":
        low, high = min(classes.values), max(classes.values)
        rule = f"label values are those of the {len(classes)} classes ({low}..{high})"
    else:
        rule = f"label colours are those of the {len(classes)} classes"
    remedy = "correct the label or add a line to classes.csv"
    if dataset.encoding == "colour" and (values % 0x10101 == 0).all():
        remedy = "save class values as one grey channel, or use the classes' colours"
    return Finding(path, f"{rule} or void", ", ".join(names) + more, remedy)


def _only_void_beside(
    dataset: Dataset, class_pixels: np.ndarray, void_pixels: int
) -> list[Finding]:
    """Masks of 0 and 255, which many tools write for two classes."""
    present = np.flatnonzero(class_pixels)
    if len(present) != 1 or len(dataset.classes) == 1 or not void_pixels:
        return []
    share = 100 * void_pixels / (void_pixels + class_pixels.sum())
    return [
        Finding(
            dataset.directory,
            f"labels of {dataset.split} show two classes or more beside void (255)",
            f"only {dataset.classes.names[present[0]]}, and void in {share:.1f} % of "
            "the pixels",
            "if 255 stands for a class, write that class's value instead",
        )
    ]


def _name(value: int, encoding: str) -> str:
    if encoding == "index":
        return str(value)
    return f"({value >> 16}, {value >> 8 & 255}, {value & 255})"


def _compare_palette(
    path: Path,
    header: Image.Image,
    values: np.ndarray,
    dataset: Dataset,
    findings: list[Finding],
) -> None:
    """A palette may have any colours, but not those of *other* classes.

    Tools that shrink PNGs turn colour masks into palettes in any order; read as
    an index mask such a file would train the wrong classes in silence.
    """
    palette = header.getpalette("RGB") or []
    classes = dataset.classes
    of_colour = dict(zip(classes.colours, classes.names, strict=True))
    of_value = dict(zip(classes.values, classes.names, strict=True))
    for value in np.unique(values):
        colour = tuple(palette[3 * value : 3 * value + 3])
        name, shown = of_value.get(int(value), "void"), of_colour.get(colour)
        if shown is not None and shown != name:
            findings.append(
                Finding(
                    path,
                    "a palette does not show one class in the colour of another",
                    f"value {value} is class {name}, its colour {colour} is {shown}",
                    "save the mask as plain grey values, or as RGB colours",
                )
            )
            return


def _size(array: np.ndarray) -> str:
    return f"{array.shape[0]}x{array.shape[1]}"
