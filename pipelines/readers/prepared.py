"""What `data prepare` writes: files of records that TensorFlow Datasets reads, too.

`NAME/1.0.0/` has the records, `samples.json` (their names and sizes), `checksums.txt`,
`classes.csv`, and the two files of TensorFlow Datasets. The folder that was named, or
the one of the name, may be given as well.
"""

import json
import os
from pathlib import Path

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.regular_file import read_text
from hyperseg_tf.pipelines.classes import ClassTable
from hyperseg_tf.pipelines.datasets import Dataset
from hyperseg_tf.pipelines.readers.layout import Match
from hyperseg_tf.pipelines.records import (
    ArrayRecordShard,
    RecordSample,
    RecordSamples,
    TFRecordShard,
)

NAME = "prepared"
LAYOUT = "NAME/1.0.0/samples.json with files of records, by data prepare"

SAMPLES, CLASSES, CHECKSUMS = "samples.json", "classes.csv", "checksums.txt"
VERSION = "1.0.0"


def look(directory: Path) -> Match:
    """The table of the samples, here or up to two folders down."""
    return Match.of(
        (f"NAME/{VERSION}/{SAMPLES}", bool(_folders(directory))),
        ("no second data set", len(_folders(directory)) < 2),
    )


def has_split(directory: Path, split: str) -> bool:
    """Whether the table has samples of `split`."""
    return split in _table(_folder(directory))["splits"]


def read(directory: Path, split: str, encoding: str | None) -> Dataset:
    """The samples of `split`, in the order of the data they were made of."""
    folder = _folder(directory)
    classes = ClassTable.read(folder / CLASSES)
    table = _table(folder)
    shards = table["splits"].get(split)
    if shards is None:
        raise UserError(
            f"{folder}: prepared data have the splits of their source: found "
            f"{', '.join(table['splits'])}, not {split}; prepare them with it."
        )
    records = []
    for one in shards:
        path = folder / one["file"]
        _check_size(path, one["bytes"])
        if "ends" in one:
            shard = TFRecordShard(path, tuple(one["ends"]))
        else:
            shard = ArrayRecordShard(path)
        records += [
            RecordSample(name, shard, i, (height, width), len(classes))
            for i, (name, height, width) in enumerate(one["samples"])
        ]
    return Dataset(
        name=table["name"],
        directory=directory,
        split=split,
        classes=classes,
        samples=RecordSamples(tuple(records)),
    )


def _check_size(path: Path, expected: int) -> None:
    """A file that a copy left incomplete must not be trained on."""
    found = path.stat().st_size if os.path.isfile(path) else None
    if found != expected:
        what = "no such file" if found is None else f"{found} bytes"
        raise UserError(
            f"{path}: a prepared file has {expected} bytes: found {what}; copy it "
            f"again (sha256sum -c {CHECKSUMS}) or prepare the data again."
        )


def _folder(directory: Path) -> Path:
    return _folders(directory)[0]


def _folders(directory: Path) -> list[Path]:
    patterns = (SAMPLES, f"{VERSION}/{SAMPLES}", f"*/{VERSION}/{SAMPLES}")
    return [path.parent for p in patterns for path in sorted(directory.glob(p))]


def _table(folder: Path) -> dict:
    path = folder / SAMPLES
    try:
        table = json.loads(read_text(path))
        for shards in table["splits"].values():
            for one in shards:
                one["file"], one["bytes"], one["samples"]
        table["name"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path}: the table of prepared samples is JSON as data prepare writes it: "
            f"{type(error).__name__}: {error}; prepare the data again."
        ) from error
    return table
