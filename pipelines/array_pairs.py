"""Samples whose label is an array that Python makes: drawn, or read from other files.

They go through Python in training, too; PNG labels do not (`pipelines/files.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hyperseg_tf.base.constants import VOID
from hyperseg_tf.pipelines.classes import UNKNOWN, ClassTable
from hyperseg_tf.pipelines.decode import lookup_table
from hyperseg_tf.pipelines.files import unknown_values
from hyperseg_tf.pipelines.image_file import ImageFileSample
from hyperseg_tf.pipelines.pictures import unreadable
from hyperseg_tf.pipelines.samples import Finding

# Notes what is wrong; class values, integers (H, W), or colours, uint8 (H, W, 3).
Read = Callable[[list[Finding]], np.ndarray | None]


@dataclass(frozen=True)
class ArrayPair(ImageFileSample):
    """An image file, and a function that makes its label.

    Args:
        values: Called with a list that it adds findings to; gives integers (H, W),
            the class values of `classes`, or uint8 (H, W, 3), their colours; None
            behind a finding. What cannot be read may raise OSError.
    """

    name: str
    image_source: Path
    label_source: Path
    classes: ClassTable
    values: Read

    has_label_file = True

    def read(self, findings: list[Finding]) -> np.ndarray | None:
        """What `values` gives."""
        return self.values(findings)

    def inspect_label(self) -> tuple[np.ndarray | None, list[Finding]]:
        """Make the label and look its values up."""
        findings: list[Finding] = []
        try:
            values = self.read(findings)
        except OSError as error:
            return None, [unreadable(self.label_source, error)]
        if values is None:
            return None, findings
        encoding = "index" if values.ndim == 2 else "colour"
        if encoding == "colour":
            values = np.asarray(values, np.int64) @ (65536, 256, 1)
        table = lookup_table(self.classes, encoding)
        known = (values >= 0) & (values < len(table))
        label = np.where(known, table[np.where(known, values, 0)], np.uint8(UNKNOWN))
        unknown = values[label == UNKNOWN]
        if unknown.size:
            findings.append(
                unknown_values(self.label_source, unknown, self.classes, encoding)
            )
        return label, findings


@dataclass(frozen=True)
class DrawnPair(ArrayPair):
    """An image file and a label that is drawn: no file whose values could be read.

    Args:
        more: Other files that it depends on.
    """

    more: tuple[Path, ...] = ()

    has_label_file = False

    @property
    def sources(self) -> tuple[str | Path, ...]:
        """The files of image and label, and those that are read for it, too."""
        return (*super().sources, *self.more)


@dataclass(frozen=True)
class Unlabelled(ArrayPair):
    """An image of a split whose labels are kept back: all of its pixels are void."""

    def inspect_label(self) -> tuple[np.ndarray | None, list[Finding]]:
        """Void in the size of the image; nothing where that cannot be told."""
        size = self.size()
        return (None if size is None else np.full(size, VOID, np.uint8)), []

    @classmethod
    def of(cls, name: str, image: Path, classes: ClassTable) -> "Unlabelled":
        """The sample of an image file."""
        return cls(name, image, image, classes, lambda findings: None)
