"""How many pixels every value or colour of a split's labels has."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hyperseg_tf.base.constants import VOID
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.pipelines.datasets import Dataset
from hyperseg_tf.pipelines.files import UnknownValues
from hyperseg_tf.pipelines.samples import Finding


@dataclass
class Tally:
    """Pixels of every value, or colour as red * 65536 + green * 256 + blue.

    Attributes:
        encoding: `index` or `colour`.
        known: Those of a class.
        void: Those that are void.
        unknown: The others.
        files: Labels with some of these.
    """

    encoding: str
    known: Counter = field(default_factory=Counter)
    void: Counter = field(default_factory=Counter)
    unknown: Counter = field(default_factory=Counter)
    files: list[str | Path] = field(default_factory=list)

    @property
    def pixels(self) -> int:
        """Of all values."""
        return sum(sum(c.values()) for c in (self.known, self.void, self.unknown))

    @property
    def seen(self) -> Counter:
        """Pixels of every value that is there, void's too."""
        return self.known + self.void + self.unknown

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.encoding,
            self.known + other.known,
            self.void + other.void,
            self.unknown + other.unknown,
            self.files + other.files,
        )


def tally_of(
    dataset: Dataset,
    findings: Sequence[Finding],
    class_pixels: np.ndarray,
    void_pixels: int,
) -> list[Tally]:
    """The pixels of every value or colour, where labels have unknown ones.

    Void counts as its first value or colour: labels do not say which of several.
    """
    unknown = [f for f in findings if isinstance(f, UnknownValues)]
    classes = dataset.classes
    tallies = []
    for encoding in dict.fromkeys(finding.encoding for finding in unknown):
        tally = Tally(encoding)
        for finding in unknown:
            if finding.encoding == encoding:
                tally.unknown += finding.counts
                tally.files.append(finding.source)
        if dataset.samples.encoding in (encoding, None):
            tally.known = Counter(
                dict(zip(_codes(dataset, encoding), class_pixels.tolist(), strict=True))
            )
            voids = classes.void_values or (VOID,)
            void = VOID if VOID in voids else voids[0]
            if encoding == "colour":
                void = _code((*classes.void_colours, (0, 0, 0))[0])
            tally.void = Counter({void: void_pixels})
        tally.known, tally.void = +tally.known, +tally.void
        tallies.append(tally)
    return tallies


def _codes(dataset: Dataset, encoding: str) -> list[int]:
    if encoding == "colour":
        return [_code(colour) for colour in dataset.classes.colours]
    try:
        return list(dataset.classes.file_values())
    except UserError:  # some class has no value as they are read
        return list(dataset.classes.values)


def _code(colour: Sequence[int]) -> int:
    return colour[0] << 16 | colour[1] << 8 | colour[2]
