"""How a folder becomes a data set: the first reader that knows its layout reads it."""

from pathlib import Path
from typing import Protocol

from hyperseg_tf.base.constants import SPLITS
from hyperseg_tf.base.errors import UserError
from pipelines.datasets import Dataset
from pipelines.readers import folder, segnet


class Reader(Protocol):
    """A module of `pipelines/readers`, or anything like one."""

    def recognises(self, directory: Path) -> bool:
        """Whether the folder has this layout."""

    def has_split(self, directory: Path, split: str) -> bool:
        """Whether a folder of this layout seems to hold `split`."""

    def read(self, directory: Path, split: str, encoding: str | None) -> Dataset:
        """List the samples of `split`; UserError where there are none."""


READERS: tuple[Reader, ...] = (folder, segnet)


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
    reader = _reader(directory)
    if reader is not None:
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
    directory = Path(directory)
    reader = _reader(directory) if directory.is_dir() else None
    if reader is None:
        return ()
    return tuple(split for split in SPLITS if reader.has_split(directory, split))


def _reader(directory: Path) -> Reader | None:
    for reader in READERS:
        if reader.recognises(directory):
            return reader
    return None
