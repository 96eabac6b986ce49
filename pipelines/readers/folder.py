"""Anybody's own folder: `classes.csv`, `<split>/images/`, `<split>/labels/`.

An image belongs to the label of the same name; folders in them are part of the name.
"""

from pathlib import Path

from hyperseg_tf.pipelines import class_file
from hyperseg_tf.pipelines.classes import ClassTable
from hyperseg_tf.pipelines.datasets import Dataset
from hyperseg_tf.pipelines.readers import pairing, yolo
from hyperseg_tf.pipelines.readers.layout import (
    LABEL_FOLDERS,
    Match,
    split_folder,
    split_folders,
)
from hyperseg_tf.pipelines.readers.listing import folders

NAME = "own folder"
LAYOUT = "classes.csv, train/images and train/labels"


def look(directory: Path) -> Match:
    """An `images` folder of any split, and no masks of another name beside it."""
    splits = split_folders(directory)
    images = [f for f in splits.values() if "images" in folders(f)]
    named = [f for f in images if "labels" in folders(f)]
    other = [
        f for f in images for name in LABEL_FOLDERS if name in folders(f) and not named
    ]
    return Match.of(
        ("classes.csv", class_file.find(directory)),
        ("train/images", images),
        ("train/labels", named or (images and not other)),
        ("no YOLO labels", not (named and yolo.look(directory).recognised)),
    ).without("classes.csv")


def has_split(directory: Path, split: str) -> bool:
    """Whether the `images` folder of `split` is there."""
    folder = split_folder(directory, split)
    return folder is not None and "images" in folders(folder)


def read(directory: Path, split: str, encoding: str | None) -> Dataset:
    """List the pairs of `split`, sorted by name."""
    found = class_file.find(directory) or directory / "classes.csv"
    classes = ClassTable.read(found)
    folder = split_folder(directory, split) or directory / split
    there = folders(folder)
    halves = (there.get(name, folder / name) for name in ("images", "labels"))
    sides = pairing.from_folders(*halves)
    return pairing.dataset(directory, split, sides, classes, encoding, folder)
