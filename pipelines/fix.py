"""A corrected copy of a data set, with a sheet that shows what was done to it.

What is wrong with all labels is known by `check_folder`, which names the rules that
mend it; here they are applied, and checked again, until nothing is left or nothing is
known. The data themselves are never changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from hyperseg_tf import visualise
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.picture_file import BadPicture, open_header
from hyperseg_tf.base.progress import Progress
from hyperseg_tf.base.regular_file import open_regular
from hyperseg_tf.pipelines.check import load_sample
from hyperseg_tf.pipelines.check_folder import FolderReport, check_folder
from hyperseg_tf.pipelines.datasets import Dataset
from hyperseg_tf.pipelines.decode import DEPTH
from hyperseg_tf.pipelines.every_split import every_split
from hyperseg_tf.pipelines.label_patterns import rules_in
from hyperseg_tf.pipelines.label_reading import LabelReading
from hyperseg_tf.pipelines.own_folder import write_sets
from hyperseg_tf.pipelines.samples import Sample, SampleList

# Beside the splits, in the corrected copy.
SHEET = "before_after.png"
_SHOWN = 6
_SIDE = 256
# Rules may follow from one another: those of values, then the nearest for the rest.
_MOST_ROUNDS = 4
# Where rules are offered and only a person can say whether they are meant.
_ASKED = ("say for which", "read void as it", "or ignore them")
# What `check` says of pictures of 12 bits or fewer in 16.
_DARK = "of 16 bits the upper 8 are used"


@dataclass(frozen=True)
class Fixed:
    """What `fix` has done.

    Attributes:
        samples: Written, by split.
        labels: How labels were read, as of `open_dataset`; empty for as they are.
        bits: Of the pictures of 16 bits that are used; None where all 16 are.
        sheet: Pictures with their labels before and after.
    """

    samples: dict[str, int]
    labels: str
    bits: int | None
    sheet: Path


def fix(
    directory: str | Path,
    out: str | Path,
    labels: str = "",
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Fixed:
    """Write a corrected copy of a data set as an own folder.

    Labels are read by the rules that `check_folder` offers: 0 and 255, classes that
    count from 1, soft edges and JPEG's traces (the nearest class), swapped channels,
    values in three equal channels. Pictures of 12 bits or fewer in 16 are stretched to
    8, all by the same number of bits.

    Args:
        labels: Rules to begin with, as of `open_dataset`; where the offered ones are
            not what is meant.
        out, overwrite, progress: As of `convert`.

    Raises:
        UserError: Nothing is wrong, something is that no rule mends, or `out` may not
            be written.
    """
    report, labels = _rules_for(directory, labels)
    dark = [line for line in report.findings if _DARK in line]
    rest = [line for line in report.findings if line not in dark]
    # The copy gets its validation by `data split`.
    rest = [line for line in rest if not _is_of_val(line)]
    if rest:
        more = f" And {len(rest) - 1} more." if len(rest) > 1 else ""
        raise UserError(f"what no rule mends is mended by hand first: {rest[0]}{more}")
    if not labels and not dark:
        raise UserError(
            f"{directory}: nothing is to be fixed: all is sound, or only validation is "
            "missing; data split makes one."
        )
    sets = every_split(directory, labels)
    bits = _bits(sets) if dark else None
    if bits is not None:
        sets = [
            replace(d, samples=SampleList(tuple(_Stretched(s, bits) for s in d)))
            for d in sets
        ]
    out = Path(out)
    samples = write_sets(
        sets, out, overwrite, progress, lambda folder: _sheet(sets, folder / SHEET)
    )
    return Fixed(samples, labels, bits, out / SHEET)


def _rules_for(directory: str | Path, labels: str) -> tuple[FolderReport, str]:
    """The last report, and the rules that are left of what it finds."""
    for _ in range(_MOST_ROUNDS):
        report = check_folder(directory, labels=labels)
        sure = [f for f in report.findings if not any(w in f for w in _ASKED)]
        offered = [rules_in(line) for line in sure]
        better = next((rules for rules in offered if rules), None)
        if better is None or better == labels:
            break
        LabelReading.parse(better)
        labels = better
    return report, labels


def _is_of_val(line: str) -> bool:
    return "--split-val" in line


class _Stretched(Sample):
    """A sample whose picture of 16 bits becomes one of 8, by the bits that are used."""

    def __init__(self, sample: Sample, bits: int):
        self.sample = sample
        self.bits = bits
        self.name = sample.name
        self.image_source = sample.image_source
        self.label_source = sample.label_source
        self.has_label_file = sample.has_label_file

    def image_bytes(self) -> bytes:
        """The picture, as PNG of 8 bits where it was one of 16."""
        contents = self.sample.image_bytes()
        if not _is_deep(contents):
            return contents
        values = _deep_values(contents) >> (self.bits - 8)
        written = BytesIO()
        Image.fromarray(np.minimum(values, 255).astype(np.uint8)).save(written, "PNG")
        return written.getvalue()

    def inspect_label(self):
        """As of the sample."""
        return self.sample.inspect_label()


def _bits(sets: Sequence[Dataset]) -> int:
    """Bits that hold the largest value of all pictures of 16 bits, 8 to 16."""
    largest = 0
    for dataset in sets:
        for sample in dataset.samples:
            contents = sample.image_bytes()
            if _is_deep(contents):
                largest = max(largest, int(_deep_values(contents).max()))
    return min(max(largest.bit_length(), 8), 16)


def _is_deep(contents: bytes) -> bool:
    return contents.startswith(b"\x89PNG") and contents[DEPTH] == 16


def _deep_values(contents: bytes) -> np.ndarray:
    """A PNG of 16 bits as uint16 (H, W, 3)."""
    return tf.io.decode_png(contents, channels=3, dtype=tf.uint16).numpy()


def _sheet(sets: Sequence[Dataset], path: Path) -> None:
    """Draw samples of all sets: the picture, the label file, and what it is read as."""
    classes = sets[0].classes
    colours = visualise.drawn_palette(len(classes), classes.colours)
    rows = []
    for dataset in sets:
        count = min(-(-_SHOWN // len(sets)), len(dataset))
        for i in np.linspace(0, len(dataset) - 1, count).round().astype(int):
            sample = load_sample(dataset, i)
            after = visualise.colourise(sample["label"], colours)
            views = (sample["image"], _as_stored(dataset[i], after.shape), after)
            rows.append(np.concatenate([_small(view) for view in views], axis=1))
    sheet = np.concatenate(rows)
    names = list(classes.names)
    sheet = visualise.with_legend(sheet, names, colours.tolist())
    Image.fromarray(np.asarray(sheet)).save(path)


def _as_stored(sample: Sample, shape: tuple[int, ...]) -> np.ndarray:
    """The label file as a viewer shows it; grey where there is none."""
    try:
        with open_regular(sample.label_source) as file, open_header(file) as picture:
            return np.asarray(picture.convert("RGB"))
    except (BadPicture, OSError, ValueError):
        return np.full(shape, 128, np.uint8)


def _small(view: np.ndarray) -> np.ndarray:
    """A picture (H, W, 3) in a square cell, with its shape, on white."""
    picture = Image.fromarray(view)
    picture.thumbnail((_SIDE, _SIDE), Image.Resampling.NEAREST)
    cell = Image.new("RGB", (_SIDE + 8, _SIDE + 8), "white")
    cell.paste(picture, (4, 4))
    return np.asarray(cell)
