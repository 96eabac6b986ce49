"""CamVid in its own colours: `train/`, `val/`, `test/` beside `train_labels/*_L.png`.

The layout of the published run. Its labels know two kinds of void: black, which their
labellers called so, and the 20 of 32 classes that nobody learns.
"""

import os
from pathlib import Path

from hyperseg_tf.base.constants import SPLITS
from hyperseg_tf.pipelines import class_file
from hyperseg_tf.pipelines.class_tables import CAMVID_COLOURS
from hyperseg_tf.pipelines.classes import ClassTable
from hyperseg_tf.pipelines.datasets import Dataset
from hyperseg_tf.pipelines.readers import pairing
from hyperseg_tf.pipelines.readers.layout import Match
from hyperseg_tf.pipelines.readers.listing import entries

NAME = "CamVid"
LAYOUT = "train and train_labels/*_L.png, without a class file other than CamVid's"


def look(directory: Path) -> Match:
    """Labels that end in `_L`, whose colours nobody has given other classes."""
    splits = [s for s in SPLITS if os.path.isdir(directory / f"{s}_labels")]
    tails = any(
        path.name.endswith("_L.png")
        for split in splits
        for path in entries(directory / f"{split}_labels")
    )
    return Match.of(
        ("train_labels", splits),
        ("labels that end in _L.png", tails),
        ("no class file but CamVid's", splits and not _other_classes(directory)),
    )


def has_split(directory: Path, split: str) -> bool:
    """Whether the folder of images of `split` is there."""
    return os.path.isdir(directory / split)


def read(directory: Path, split: str, encoding: str | None) -> Dataset:
    """List the pairs of `split`, sorted by name; 11 classes, all else void."""
    sides = pairing.from_folders(directory / split, directory / f"{split}_labels")
    encoding = encoding or "colour"
    return pairing.dataset(directory, split, sides, CAMVID_COLOURS, encoding)


def _other_classes(directory: Path) -> bool:
    """Whether a class file has other colours than CamVid's 32."""
    path = class_file.find(directory)
    if path is None:
        return False
    if path.name == class_file.NAMES[0]:
        return True
    table = ClassTable.read(path)
    colours = {*table.colours, *table.void_colours}
    return len(colours) != 32 or not {*CAMVID_COLOURS.colours} < colours
