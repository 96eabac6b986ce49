"""ADE20K's scene parsing benchmark: `images/training` beside `annotations/training`.

Values are 1 to 150; 0 is what nobody labelled. Other data come in the same folders,
with a class file, which makes them `side_by_side`'s.
"""

import os
from pathlib import Path

from hyperseg_tf.pipelines import class_file
from hyperseg_tf.pipelines.class_tables import ADE20K
from hyperseg_tf.pipelines.datasets import Dataset
from hyperseg_tf.pipelines.readers import pairing
from hyperseg_tf.pipelines.readers.layout import Match

NAME = "ADE20K"
LAYOUT = "images/training and annotations/training, without a class file"

_FOLDERS = {"train": "training", "val": "validation", "test": "testing"}


def look(directory: Path) -> Match:
    """Both folders by their names, and nothing that says other classes."""
    sides = [
        any(os.path.isdir(directory / side / name) for name in _FOLDERS.values())
        for side in ("images", "annotations")
    ]
    return Match.of(
        ("images/training", sides[0]),
        ("annotations/training", sides[1]),
        ("no class file", all(sides) and class_file.find(directory) is None),
    )


def has_split(directory: Path, split: str) -> bool:
    """Whether the images of `split` are there."""
    return os.path.isdir(directory / "images" / _FOLDERS[split])


def read(directory: Path, split: str, encoding: str | None) -> Dataset:
    """List the pairs of `split`, sorted by name."""
    folders = (directory / side / _FOLDERS[split] for side in ("images", "annotations"))
    sides = pairing.from_folders(*folders)
    sides.notes += (
        f"{directory}: no class file, so values are ADE20K's, 0 void and 1 to 150; "
        "write classes.csv where they are not",
    )
    where = directory / "images" / _FOLDERS[split]
    return pairing.dataset(directory, split, sides, ADE20K, encoding or "index", where)
