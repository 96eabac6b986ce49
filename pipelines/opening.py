"""How a folder becomes a data set: the first reader that knows its layout reads it."""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hyperseg_tf.base.constants import SPLITS
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.typed_path import no_path
from hyperseg_tf.pipelines.datasets import Dataset, read_by
from hyperseg_tf.pipelines.label_reading import LabelReading
from hyperseg_tf.pipelines.readers import (
    ade20k,
    camvid,
    cityscapes,
    coco,
    folder,
    in_one_folder,
    labelme,
    panoptic,
    prepared,
    segnet,
    side_by_side,
    voc,
    yolo,
)
from hyperseg_tf.pipelines.readers.layout import Match
from hyperseg_tf.pipelines.readers.listing import entries, folders

# How many names a message shows.
_SHOWN = 6


class Reader(Protocol):
    """A module of `pipelines/readers`, or anything like one.

    Attributes:
        NAME: What its layout is called.
        LAYOUT: What lies where, in a few words.
    """

    NAME: str
    LAYOUT: str

    def look(self, directory: Path) -> Match:
        """How much of the layout the folder has."""

    def has_split(self, directory: Path, split: str) -> bool:
        """Whether a folder of this layout seems to hold `split`."""

    def read(self, directory: Path, split: str, encoding: str | None) -> Dataset:
        """List the samples of `split`; UserError where there are none."""


# Layouts by name first, then anybody's. A folder with two of them is refused, except
# that one of the first kind is never taken for one of `GENERAL`.
READERS: tuple[Reader, ...] = (
    prepared,
    cityscapes,
    voc,
    ade20k,
    camvid,
    segnet,
    coco,
    panoptic,
    labelme,
    yolo,
    folder,
    in_one_folder,
    side_by_side,
)
GENERAL: tuple[Reader, ...] = (in_one_folder, side_by_side)


@dataclass(frozen=True)
class Detected:
    """What a folder was taken for.

    Attributes:
        reader: What reads it; None where no layout is known.
        looks: Every reader with how much of its layout is there, nearest first.
    """

    directory: Path
    reader: Reader | None
    looks: tuple[tuple[Reader, Match], ...]

    def __str__(self) -> str:
        """Lines: the layout and why; or all layouts, and what each would need."""
        if self.reader is not None:
            match = dict((id(r), m) for r, m in self.looks)[id(self.reader)]
            found = ", ".join(match.found)
            return f"{self.reader.NAME} ({self.reader.LAYOUT}): found {found}"
        lines = [f"no known layout: found {contents(self.directory)}"]
        for reader, match in self.looks:
            there = f", has {', '.join(match.found)}" if match.found else ""
            lines.append(
                f"  {reader.NAME}: {reader.LAYOUT}; "
                f"misses {', '.join(match.missing)}{there}"
            )
        return "\n".join(lines)


def open_dataset(
    directory: str | Path,
    split: str,
    encoding: str | None = None,
    labels: LabelReading | str = "",
) -> Dataset:
    """Find out how `directory` is laid out and list its `split`.

    The layouts are those of `READERS`; docs/data.md lists them.

    Args:
        encoding: `index` or `colour`; None looks at the first label.
        labels: How label files are read where they do not say what the class file
            says, `0=0,255=1`; see `LabelReading`.

    Raises:
        UserError: no such folder, layout, split, list or class file, no pair, or
            `labels` that do not suit.
        ValueError: unknown `split` or `encoding`.
    """
    if split not in SPLITS:
        raise ValueError(f"split is one of {', '.join(SPLITS)}: got {split!r}.")
    if encoding not in (None, "index", "colour"):
        raise ValueError(f"encoding is index, colour or None: got {encoding!r}.")
    directory = Path(directory)
    detected = detect(directory)
    if detected.reader is not None:
        return read_by(detected.reader.read(directory, split, encoding), labels)
    reader, match = detected.looks[0]
    nearest = f"nearest is {reader.NAME}, {reader.LAYOUT}"
    if not match.found:
        own = next((r for r, _ in detected.looks if r.NAME == folder.NAME), reader)
        nearest = f"the simplest is {own.NAME}, {own.LAYOUT}"
    missing = f", without {' and '.join(match.missing)}" if match.found else ""
    inner = _inner(directory)
    if inner is not None:
        raise UserError(
            f"{directory}: a dataset has one of the known layouts: found "
            f"{contents(directory)}, and {inner.reader.NAME} in {inner.directory}; "
            "give that folder."
        )
    raise UserError(
        f"{directory}: a dataset has one of the known layouts: found "
        f"{contents(directory)}; {nearest}{missing}; arrange the files so "
        "(hyperseg-tf data detect lists all layouts)."
    )


def detect(directory: str | Path) -> Detected:
    """Find out which layout a folder has, and how near the others are.

    Raises:
        UserError: Two layouts fit, or it is no folder.
    """
    directory = Path(directory)
    if not os.path.isdir(directory):
        if other := no_path(str(directory)):
            raise UserError(f"{directory}: a dataset is a folder: it {other}.")
        what = "a file" if os.path.exists(directory) else "nothing there"
        raise UserError(
            f"{directory}: a dataset is a folder: found {what}; "
            "give the folder that holds train and val."
        )
    looks = [(reader, reader.look(directory)) for reader in READERS]
    fitting = [reader for reader, match in looks if match.recognised]
    named = [reader for reader in fitting if reader not in GENERAL]
    if any(reader is not folder for reader in named):
        fitting = named
    if len(fitting) > 1:
        both = " and ".join(f"{r.NAME} ({r.LAYOUT})" for r in fitting[:2])
        raise UserError(
            f"{directory}: a dataset has one layout: found {both}; move what belongs "
            "to one of them elsewhere."
        )
    looks.sort(key=lambda look: (-len(look[1].found), len(look[1].missing)))
    return Detected(directory, fitting[0] if fitting else None, tuple(looks))


def _inner(directory: Path) -> Detected | None:
    """The only folder in a folder, as archives have it, where its layout is known."""
    inside = list(folders(directory).values())
    if len(inside) != 1:
        return None
    try:
        detected = detect(inside[0])
    except UserError:
        return None
    return detected if detected.reader is not None else _inner(inside[0])


def contents(directory: Path) -> str:
    """What lies in a folder, in a few words."""
    found = entries(directory)
    if not found:
        return "an empty folder"
    kinds = Counter(
        p.name + "/" if os.path.isdir(p) else f"*{p.suffix.lower()}" for p in found
    )
    if len(found) <= _SHOWN:
        return ", ".join(p.name + "/" * os.path.isdir(p) for p in found)
    shown = [f"{n} {kind}" if n > 1 else str(kind) for kind, n in kinds.items()]
    return ", ".join(shown[:_SHOWN]) + ", ..." * (len(shown) > _SHOWN)


def splits(directory: str | Path) -> tuple[str, ...]:
    """Which of train, val, test `directory` seems to hold, in this order."""
    directory = Path(directory)
    if not os.path.isdir(directory):
        return ()
    try:
        reader = detect(directory).reader
        if reader is None:
            return ()
        return tuple(split for split in SPLITS if reader.has_split(directory, split))
    except UserError:  # `open_dataset` says it.
        return ()
