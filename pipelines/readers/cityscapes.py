"""Cityscapes as downloaded: `leftImg8bit/<split>/<city>` beside `gtFine` or `gtCoarse`.

Fine labels come first. Where only coarse ones are there, the 20,000 pictures of
`train_extra` belong to train. The labels of test are kept back: its pictures are void.
"""

import os
from pathlib import Path

from hyperseg_tf.pipelines import class_file
from hyperseg_tf.pipelines.array_pairs import Unlabelled
from hyperseg_tf.pipelines.class_tables import CITYSCAPES, CITYSCAPES_TRAIN_IDS
from hyperseg_tf.pipelines.classes import ClassTable
from hyperseg_tf.pipelines.datasets import Dataset
from hyperseg_tf.pipelines.readers import pairing
from hyperseg_tf.pipelines.readers.layout import Match
from hyperseg_tf.pipelines.readers.listing import IMAGE_SUFFIXES, Listing, key_in

NAME = "Cityscapes"
LAYOUT = "leftImg8bit/<split>/<city> and gtFine/<split>/<city> or gtCoarse"

IMAGES, LABELS = "leftImg8bit", ("gtFine", "gtCoarse")
_TAIL = f"_{IMAGES}"

# How labels end, the first that there are, and what their values mean.
_KINDS = (
    ("_labelIds.png", CITYSCAPES),
    ("_labelTrainIds.png", CITYSCAPES_TRAIN_IDS),
)


def look(directory: Path) -> Match:
    """Both folders by their names."""
    labels = [name for name in LABELS if os.path.isdir(directory / name)]
    return Match.of(
        (IMAGES, os.path.isdir(directory / IMAGES)),
        (labels[0] if labels else "gtFine or gtCoarse", labels),
    )


def has_split(directory: Path, split: str) -> bool:
    """Whether the pictures of `split` are there."""
    return os.path.isdir(directory / IMAGES / split)


def read(directory: Path, split: str, encoding: str | None) -> Dataset:
    """List the pairs of `split`, named `city/city_sequence_frame`."""
    kind = _labels(directory, split)
    sides = pairing.Sides()
    parts = [split]
    if split == "train" and kind == "gtCoarse":
        parts += ["train_extra"] * has_split(directory, "train_extra")
    ending, classes = _KINDS[0]
    for part in parts:
        images = Listing.of(pairing.require(directory / IMAGES / part))
        sides.notes += images.note()
        key = _image_key(images)
        found = pairing.by_key(images, IMAGE_SUFFIXES, sides.findings, key)
        sides.images |= found
        folder = directory / kind / part
        if not os.path.isdir(folder):
            continue
        labels = Listing.of(folder)
        sides.notes += labels.note()
        ending, classes = _ending(labels)
        sides.labels |= pairing.by_key(
            labels, (".png",), sides.findings, _label_key(labels, kind, ending)
        )
    own = class_file.find(directory)
    classes = classes if own is None else ClassTable.read(own)
    if split == "test" and sides.images and not sides.labels:
        return Dataset(
            name=directory.resolve().name,
            directory=directory,
            split=split,
            classes=classes,
            samples=[
                Unlabelled.of(name, path, classes)
                for name, path in sorted(sides.images.items())
            ],
            findings=tuple(sides.findings),
            notes=(*sides.notes, f"{directory}: test has no labels: all is void"),
        )
    where = directory / IMAGES / split
    return pairing.dataset(directory, split, sides, classes, "index", where)


def _labels(directory: Path, split: str) -> str:
    """The folder of labels: fine before coarse, the one with the split."""
    there = [name for name in LABELS if os.path.isdir(directory / name / split)]
    return there[0] if there else LABELS[0]


def _ending(labels: Listing) -> tuple[str, ClassTable]:
    for ending, classes in _KINDS:
        if any(path.name.endswith(ending) for path in labels.files):
            return ending, classes
    return _KINDS[0]


def _image_key(images: Listing):
    return lambda path: key_in(images.folder, path).removesuffix(_TAIL)


def _label_key(labels: Listing, kind: str, ending: str):
    """Names of labels; the other files of a picture, such as colours, have none."""
    tail = f"_{kind}{ending.removesuffix('.png')}"

    def key(path: Path) -> str | None:
        name = key_in(labels.folder, path)
        return name.removesuffix(tail) if name.endswith(tail) else None

    return key
