"""Samples that are two files: an image, and a PNG of class values or colours.

The training stream decodes them by TensorFlow's ops alone (`FilePairs.loader`); the
rules of label files are tried in `FilePair.inspect_label`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from io import BytesIO
from os import fsencode
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from hyperseg_tf.base import encoded
from hyperseg_tf.base.orientation import UPRIGHT, orientation_in_file, turned
from hyperseg_tf.base.regular_file import open_regular, read_regular
from hyperseg_tf.pipelines.classes import UNKNOWN, ClassTable
from hyperseg_tf.pipelines.decode import (
    COLOUR_TYPE,
    DEPTH,
    GREY,
    GREY_ALPHA,
    PALETTE,
    RGB,
    RGBA,
    decode_image,
    decode_label,
    lookup_table,
    sniff_encoding,
)
from hyperseg_tf.pipelines.image_file import ImageFileSample
from hyperseg_tf.pipelines.pictures import decode, open_header, unreadable
from hyperseg_tf.pipelines.samples import Finding, Loader, Samples


@dataclass(frozen=True)
class FilePair(ImageFileSample):
    """An image file and its label file.

    Args:
        encoding: `index` (label values are class values, palettes are looked
            through) or `colour` (label colours are class colours).
    """

    name: str
    image_source: Path
    label_source: Path
    classes: ClassTable
    encoding: str

    has_label_file = True

    def inspect_label(self) -> tuple[np.ndarray | None, list[Finding]]:
        """Decode the label file and try the rules of such files."""
        findings: list[Finding] = []
        return self._label(findings), findings

    def _label(self, findings: list[Finding]) -> np.ndarray | None:
        path = self.label_source
        try:
            contents = read_regular(path)
        except OSError as error:
            findings.append(unreadable(path, error))
            return None
        header = open_header(path, contents, ("PNG",), findings)
        if header is None:
            return None
        colour_type = contents[COLOUR_TYPE]
        kind = _compare_kind(path, contents[DEPTH], colour_type, self.encoding)
        if kind is not None:
            findings.append(kind)
            return None
        values = decode(path, self.encoding, contents, findings)
        if values is None:
            return None
        values = turned(values, orientation_in_file(BytesIO(contents)))
        label = lookup_table(self.classes, self.encoding)[values]
        unknown = values[label == UNKNOWN]
        if unknown.size:
            findings.append(unknown_values(path, unknown, self.classes, self.encoding))
        elif self.encoding == "index" and colour_type == PALETTE:
            findings += _compare_palette(path, header, values, self.classes)
        return label


@dataclass(frozen=True)
class FilePairs(Samples):
    """Pairs of files of one class table and one encoding, decoded in the graph."""

    pairs: tuple[FilePair, ...]
    classes: ClassTable
    encoding: str

    @classmethod
    def of(
        cls,
        files: Iterable[tuple[Path, Path]],
        classes: ClassTable,
        encoding: str | None,
        names: Sequence[str] | None = None,
    ) -> "FilePairs":
        """Pairs of these (image file, label file).

        Args:
            encoding: None looks at the labels.
            names: One per pair, all different; None names them after their images.
        """
        files = list(files)
        encoding = encoding or _encoding_of([label for _, label in files], classes)
        if names is None:
            stems = Counter(image.stem for image, _ in files)
            # Stems repeat where a list joins folders; paths do not.
            names = [i.stem if stems[i.stem] == 1 else str(i) for i, _ in files]
        return cls(
            tuple(
                FilePair(name, image, label, classes, encoding)
                for name, (image, label) in zip(names, files, strict=True)
            ),
            classes,
            encoding,
        )

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, i: int) -> FilePair:
        return self.pairs[i]

    def joined(self, *others: Samples) -> Samples:
        """As of any samples; pairs of files become one sequence of pairs."""
        joined = super().joined(*others)
        for other in others:
            if not isinstance(other, FilePairs) or other.classes != self.classes:
                return joined
        pairs = sum((other.pairs for other in others), self.pairs)
        return FilePairs(pairs, self.classes, self.encoding)

    def with_classes(self, classes: ClassTable) -> "FilePairs":
        """The same files, read with other classes."""
        pairs = tuple(replace(pair, classes=classes) for pair in self.pairs)
        return FilePairs(pairs, classes, self.encoding)

    def loader(self) -> Loader:
        """A function of a position, of TensorFlow's ops only."""
        images = tf.constant([fsencode(pair.image_source) for pair in self.pairs])
        labels = tf.constant([fsencode(pair.label_source) for pair in self.pairs])
        table = tf.constant(lookup_table(self.classes, self.encoding))
        turn_image = _turning([pair.image_source for pair in self.pairs])
        turn_label = _turning([pair.label_source for pair in self.pairs])

        def load(position: tf.Tensor) -> dict[str, tf.Tensor]:
            image = decode_image(tf.io.read_file(images[position]))
            label = tf.io.read_file(labels[position])
            label = decode_label(label, self.encoding, table)
            label = turn_label(label[..., None], position)[..., 0]
            return {"image": turn_image(image, position), "label": label}

        return load


def _turning(
    paths: Sequence[Path],
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """A function of (picture (H, W, C), position) that turns it as its EXIF says.

    EXIF is looked at here, once: walking through a file in a graph takes longer, and
    hardly any data set has some.
    """
    with ThreadPoolExecutor() as pool:
        found = np.array([*pool.map(_orientation, paths)], np.int32)
    if (found == UPRIGHT).all():
        return lambda picture, position: picture
    orientations = tf.constant(found)
    return lambda picture, position: encoded.turned(picture, orientations[position])


def _orientation(path: Path) -> int:
    try:
        with open_regular(path) as file:
            return orientation_in_file(file)
    except (OSError, ValueError):  # reading it says what is wrong
        return UPRIGHT


def _encoding_of(labels: Sequence[Path], classes: ClassTable) -> str:
    """`sniff_encoding`, but palettes whose colours contradict their values are colours.

    Tools that shrink PNGs turn colour masks into palettes in any order.
    """
    encoding = sniff_encoding(labels)
    if encoding == "colour":
        return encoding
    known = {*classes.colours, *classes.void_colours}
    for path in labels:
        if path.suffix.lower() != ".png":
            continue
        try:
            contents = read_regular(path)
        except (OSError, ValueError):
            continue
        header = open_header(path, contents, ("PNG",), [])
        if header is None:
            continue
        if contents[COLOUR_TYPE] != PALETTE:
            return "index"
        values = decode(path, "index", contents, [])
        if values is None or not _compare_palette(path, header, values, classes):
            return "index"
        palette = header.getpalette("RGB") or []
        shown = {tuple(palette[3 * v : 3 * v + 3]) for v in np.unique(values)}
        return "colour" if shown <= known else "index"
    return "index"


def _compare_kind(
    path: Path, depth: int, colour_type: int, encoding: str
) -> Finding | None:
    """What an encoding cannot be read from, as a finding."""
    is_index = encoding == "index"
    fitting = (GREY, GREY_ALPHA, PALETTE) if is_index else (RGB, RGBA, PALETTE)
    if depth != 16 and colour_type in fitting:
        return None
    kinds = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGBA"}
    remedy = "save all labels of a split in the same way"
    if depth == 16:
        remedy = (
            "save all labels of a split with 8 bits per channel, values as they are"
        )
    expected = "grey or palette" if is_index else "RGB, RGBA or palette"
    return Finding(
        path,
        f"labels of this split are {encoding} masks: 8-bit {expected} PNGs",
        f"{kinds.get(colour_type, 'unknown')}, {depth} bits",
        remedy,
    )


@dataclass(frozen=True)
class UnknownValues(Finding):
    """A label with values or colours of no class.

    Attributes:
        encoding: `index` or `colour`.
        counts: Pixels of each of them; a colour is red * 65536 + green * 256 + blue.
    """

    encoding: str = "index"
    counts: Counter = field(default_factory=Counter)


def unknown_values(
    path: Path, unknown: np.ndarray, classes: ClassTable, encoding: str
) -> UnknownValues:
    """That a label has values or colours of no class, the most frequent first."""
    values, pixels = np.unique(unknown, return_counts=True)
    order = np.argsort(-pixels, kind="stable")
    names = [f"{_name(values[k], encoding)} ({pixels[k]} pixels)" for k in order[:5]]
    more = f" and {len(order) - 5} more" if len(order) > 5 else ""
    if encoding == "index":
        low, high = min(classes.values), max(classes.values)
        rule = f"label values are those of the {len(classes)} classes ({low}..{high})"
    else:
        rule = f"label colours are those of the {len(classes)} classes"
    remedy = (
        "correct the label or add a line to classes.csv; `hyperseg-tf data check` looks"
        " at all labels together and says what they probably are"
    )
    if encoding == "colour" and (values % 0x10101 == 0).all():
        remedy = "save class values as one grey channel, or use the classes' colours"
    counts = Counter(dict(zip(values.tolist(), pixels.tolist(), strict=True)))
    found = ", ".join(names) + more
    return UnknownValues(path, f"{rule} or void", found, remedy, encoding, counts)


def _name(value: int, encoding: str) -> str:
    if encoding == "index":
        return str(value)
    return f"({value >> 16}, {value >> 8 & 255}, {value & 255})"


def _compare_palette(
    path: Path, header: Image.Image, values: np.ndarray, classes: ClassTable
) -> list[Finding]:
    """A palette may have any colours, but not those of *other* classes.

    Tools that shrink PNGs turn colour masks into palettes in any order; read as
    an index mask such a file would train the wrong classes in silence.
    """
    palette = header.getpalette("RGB") or []
    of_colour = dict(zip(classes.colours, classes.names, strict=True))
    of_value = dict(zip(classes.values, classes.names, strict=True))
    for value in np.unique(values):
        colour = tuple(palette[3 * value : 3 * value + 3])
        name, shown = of_value.get(int(value), "void"), of_colour.get(colour)
        if shown is not None and shown != name:
            return [
                Finding(
                    path,
                    "a palette does not show one class in the colour of another",
                    f"value {value} is class {name}, its colour {colour} is {shown}",
                    "save the mask as plain grey values, or as RGB colours",
                )
            ]
    return []
