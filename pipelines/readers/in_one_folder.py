"""Images and labels in one folder: `train/x.jpg` and `train/x_mask.png`, a class file.

What Roboflow exports as semantic segmentation masks, with `_classes.csv` in every
folder; without folders of splits all is train.
"""

import os
import re
from pathlib import Path

from hyperseg_tf.pipelines import class_file
from hyperseg_tf.pipelines.classes import ClassTable
from hyperseg_tf.pipelines.datasets import Dataset
from hyperseg_tf.pipelines.readers import pairing
from hyperseg_tf.pipelines.readers.layout import Match, split_folder, split_folders
from hyperseg_tf.pipelines.readers.listing import (
    IMAGE_SUFFIXES,
    LABEL_SUFFIXES,
    Listing,
    entries,
)

NAME = "images and masks in one folder (Roboflow)"
LAYOUT = "train/x.jpg and train/x_mask.png, with _classes.csv"

_IS_LABEL = re.compile(
    r"(?:.*[_\-. ](?:mask|label|labels|gt|seg|l)|(?:mask|label|gt|seg)[_\-. ].*)$",
    re.IGNORECASE,
)


def look(directory: Path) -> Match:
    """A label beside its image, in the folder of a split or in the folder itself."""
    places = {**split_folders(directory), "": directory}
    found = [folder for folder in places.values() if _holds_pairs(folder)]
    return Match.of(("a picture beside its _mask", found))


def has_split(directory: Path, split: str) -> bool:
    """Whether the folder of `split` holds labels beside images."""
    folder = _folder(directory, split)
    return folder is not None and _holds_pairs(folder)


def read(directory: Path, split: str, encoding: str | None) -> Dataset:
    """List the pairs of `split`, sorted by name."""
    folder = pairing.require(_folder(directory, split) or directory / split)
    own = class_file.find(folder, directory)
    classes = ClassTable.read(own or directory / class_file.NAMES[0])
    listing = Listing.of(folder)
    labels = tuple(path for path in listing.files if _is_label(path))
    images = tuple(path for path in listing.files if path not in {*labels})
    sides = pairing.Sides(notes=listing.note())
    for files, suffixes, side in (
        (images, IMAGE_SUFFIXES, sides.images),
        (labels, LABEL_SUFFIXES, sides.labels),
    ):
        part = Listing(folder, files, listing.litter)
        side |= pairing.by_key(part, suffixes, sides.findings)
    return pairing.dataset(directory, split, sides, classes, encoding, folder)


def _folder(directory: Path, split: str) -> Path | None:
    folder = split_folder(directory, split)
    if folder is None and split == "train" and not split_folders(directory):
        return directory
    return folder


def _holds_pairs(folder: Path) -> bool:
    files = [path for path in entries(folder) if os.path.isfile(path)]
    images = {p.stem for p in files if p.suffix.lower() in IMAGE_SUFFIXES}
    return any(
        path.suffix.lower() in LABEL_SUFFIXES
        and _is_label(path)
        and pairing.label_core(path.stem) in images
        for path in files
    )


def _is_label(path: Path) -> bool:
    return _IS_LABEL.match(path.stem) is not None
