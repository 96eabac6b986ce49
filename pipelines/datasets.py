"""What a dataset is here, and how a folder becomes one.

A `Dataset` is a list of file pairs and a class table; nothing is decoded before
`check`, `load_sample` or `batches`. Readers note what they could not pair up as
findings instead of raising, so that `check` can list everything at once.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hyperseg_tf.base.errors import UserError
from pipelines.classes import ClassTable

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Finding:
    """One broken rule: the file, the rule, what was found, the way out."""

    path: Path
    rule: str
    found: str
    remedy: str

    def __str__(self) -> str:
        # A file name may hold anything but a slash; a terminal may not take it.
        path = os.fsencode(self.path).decode("utf-8", "backslashreplace")
        line = f"{path}: {self.rule}: {self.found}; {self.remedy}."
        return line.replace("\n", " ")


@dataclass(frozen=True)
class Dataset:
    """Image and label files of one split.

    Args:
        name: The folder's own name, for logs and titles.
        directory: The folder that was opened.
        split: `train`, `val` or `test`.
        classes: Names, colours and void.
        pairs: (image file, label file), in a fixed order.
        encoding: `index` (label values are class values, palettes are looked
            through) or `colour` (label colours are class colours).
        findings: What the reader could not pair up; `check` reports it first.
    """

    name: str
    directory: Path
    split: str
    classes: ClassTable
    pairs: tuple[tuple[Path, Path], ...]
    encoding: str = "index"
    findings: tuple[Finding, ...] = ()

    def __len__(self) -> int:
        return len(self.pairs)


def open_dataset(
    directory: str | Path, split: str, encoding: str | None = None
) -> Dataset:
    """Find out how `directory` is laid out and list its `split`.

    Two layouts are known (`pipelines/readers`): the SegNet tutorial's, with
    `train.txt` and `trainannot/`, and anybody's own folder, with `classes.csv`,
    `train/images/` and `train/labels/`.

    Args:
        encoding: `index` or `colour`; None looks at the first label.

    Raises:
        UserError: no such folder, layout, split, list or class file, or no pair.
        ValueError: unknown `split` or `encoding`.
    """
    from pipelines.readers import folder, segnet

    if split not in SPLITS:
        raise ValueError(f"split is one of {', '.join(SPLITS)}: got {split!r}.")
    if encoding not in (None, "index", "colour"):
        raise ValueError(f"encoding is index, colour or None: got {encoding!r}.")
    directory = Path(directory)
    if not directory.is_dir():
        what = "a file" if directory.exists() else "nothing there"
        raise UserError(
            f"{directory}: a dataset is a folder: found {what}; "
            "give the folder that holds train and val."
        )
    for reader in (folder, segnet):
        if reader.recognises(directory):
            return reader.read(directory, split, encoding)
    entries = sorted(p.name for p in directory.iterdir() if p.name[:1] != ".")
    found = ", ".join(entries[:6]) + (", ..." if len(entries) > 6 else "")
    raise UserError(
        f"{directory}: a dataset has classes.csv, train/images and train/labels "
        f"(own folder) or train.txt and trainannot (SegNet tutorial): found "
        f"{found or 'an empty folder'}; arrange the files in one of these ways."
    )


def splits(directory: str | Path) -> tuple[str, ...]:
    """Which of train, val, test `directory` seems to hold, in this order."""
    from pipelines.readers import folder, segnet

    directory = Path(directory)
    for reader in (folder, segnet):
        if directory.is_dir() and reader.recognises(directory):
            return tuple(s for s in SPLITS if reader.has_split(directory, s))
    return ()


def join(datasets: Sequence[Dataset]) -> Dataset:
    """One dataset of all pairs, in order; its split reads `train+val`.

    Raises:
        UserError: the splits differ in classes or in encoding.
    """
    first, *others = datasets
    for other in others:
        for what in ("classes", "encoding"):
            if getattr(first, what) != getattr(other, what):
                raise UserError(
                    f"{first.directory}: splits joined for training have the same "
                    f"{what}: {first.split} and {other.split} differ; save their "
                    "labels in the same way."
                )
    return replace(
        first,
        split="+".join(dataset.split for dataset in datasets),
        pairs=sum((dataset.pairs for dataset in datasets), ()),
        findings=sum((dataset.findings for dataset in datasets), ()),
    )


def load_sample(dataset: Dataset, i: int) -> dict[str, np.ndarray]:
    """Decode pair `i`: {"image": uint8 (H, W, 3), "label": uint8 (H, W)}.

    Decoding is that of the training stream; the label holds class positions
    and VOID.

    Raises:
        UserError: the pair breaks a rule of `check`.
    """
    from pipelines.check import inspect_pair

    sample, findings, _ = inspect_pair(dataset, i)
    if findings:
        raise UserError(str(findings[0]))
    return sample
