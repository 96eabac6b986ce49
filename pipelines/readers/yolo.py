"""YOLO's segmentation labels: a text file of polygons per picture, drawn into labels.

`images/train` and `labels/train`, or `train/images` and `train/labels`, with
`data.yaml`, or `classes.txt`; without folders of splits all is train. A line is the
number of a class and the corners of one object, as shares of width and height. What no
object covers is the class `background`; so is a whole picture without a text file, as
in YOLO.
"""

import os
import re
from functools import partial
from pathlib import Path

import numpy as np

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.regular_file import open_regular, read_text
from hyperseg_tf.pipelines import class_file
from hyperseg_tf.pipelines.array_pairs import DrawnPair
from hyperseg_tf.pipelines.class_file import spread_colours
from hyperseg_tf.pipelines.classes import ClassTable
from hyperseg_tf.pipelines.datasets import Dataset, EmptySplit
from hyperseg_tf.pipelines.readers import outlines, pairing, yolo_file
from hyperseg_tf.pipelines.readers.layout import (
    SPLIT_NAMES,
    Match,
    has_files,
    split_folder,
)
from hyperseg_tf.pipelines.readers.listing import (
    IMAGE_SUFFIXES,
    LABEL_SUFFIXES,
    Listing,
    folders,
    some,
    together,
)
from hyperseg_tf.pipelines.readers.outlines import Outline
from hyperseg_tf.pipelines.samples import Finding, header_size

NAME = "YOLO segmentation"
LAYOUT = (
    "images/train and labels/train, or train/images and train/labels, of .txt "
    "polygons, with data.yaml or classes.txt"
)

BACKGROUND = "background"
_IMAGES, _LABELS = "images", "labels"
_CLASS_LIST = "classes.txt"

# What tools round beyond the border.
_SLACK = 0.01

_RULE = "a line is a class and the corners of its polygon, x y x y x y ..., in 0..1"


def look(directory: Path) -> Match:
    """A folder of text files beside one of pictures, and the names of classes."""
    try:
        pairs = [_folders(directory, split) for split in SPLIT_NAMES]
    except UserError:  # Of a data.yaml; reading says it.
        pairs = [_by_name(directory, split) for split in SPLIT_NAMES]
    found = [pair for pair in pairs if pair is not None]
    shown = "images and labels"
    if found:
        shown = " and ".join(str(path.relative_to(directory)) for path in found[0])
    return Match.of(
        (f"{shown} of .txt", found),
        ("data.yaml or classes.txt", _class_file(directory)),
    )


def has_split(directory: Path, split: str) -> bool:
    """Whether pictures and text files of `split` are there."""
    return _folders(directory, split) is not None


def read(directory: Path, split: str, encoding: str | None) -> Dataset:
    """List the pictures of `split`, sorted by name."""
    pair = _folders(directory, split)
    if pair is None:
        raise UserError(
            f"{directory}: split {split} of YOLO has a folder of pictures and one of "
            f"text files: found none; name them images/{split} and labels/{split}."
        )
    outlines.require_tools("YOLO's")
    path = _class_file(directory, pair[1])
    classes, value_of = _classes(path)
    sides = pairing.Sides()
    listings = [Listing.of(folder) for folder in pair]
    sides.images = pairing.by_key(listings[0], IMAGE_SUFFIXES, sides.findings)
    key = listings[1].key
    sides.labels = pairing.by_key(
        listings[1],
        (".txt",),
        sides.findings,
        lambda file: None if file.name == _CLASS_LIST else key(file),
    )
    if not sides.images:
        raise EmptySplit(
            f"{pair[0]}: a split holds at least one picture: found "
            f"{listings[0].suffixes()}; put PNG or JPEG files there."
        )
    lonely = [p for k, p in sides.labels.items() if k not in sides.images]
    rule, remedy = "every label has an image of the same name", "add or remove it"
    findings = sides.findings + together(pair[1], lonely, rule, "no image", remedy)
    samples, bare = [], []
    for name, image in sorted(sides.images.items()):
        label = sides.labels.get(name)
        if label is None:
            bare.append(image)
        draw = partial(_draw, image, label, value_of)
        samples.append(DrawnPair(name, image, label or image, classes, draw, (path,)))
    notes = listings[0].note() + listings[1].note()
    if bare:
        notes += (f"{pair[1]}: no label and so background: {some(pair[0], bare)}",)
    return Dataset(
        directory.resolve().name,
        directory,
        split,
        classes,
        samples,
        tuple(findings),
        notes,
    )


def _folders(directory: Path, split: str) -> tuple[Path, Path] | None:
    """Pictures and text files of a split: as `data.yaml` says, else by their names."""
    path = yolo_file.find(directory)
    if path is not None:
        images = yolo_file.read(path).folders.get(split)
        pair = None if images is None else (images, _beside(directory, images))
        if pair is not None and _are_there(*pair):
            return pair
    return _by_name(directory, split)


def _beside(directory: Path, images: Path) -> Path:
    """The folder of labels as YOLO finds it: the last `images` is `labels`."""
    parts = list(images.relative_to(directory).parts)
    where = [k for k, part in enumerate(parts) if part.lower() == _IMAGES]
    if where:
        parts[where[-1]] = _LABELS
    return directory.joinpath(*parts)


def _by_name(directory: Path, split: str) -> tuple[Path, Path] | None:
    named = re.compile(rf"(?:{'|'.join(SPLIT_NAMES[split])})(?:\d{{4}})?$")
    there = folders(directory)
    found = []
    if _IMAGES in there and _LABELS in there:
        inside, labels = folders(there[_IMAGES]), there[_LABELS]
        found += [(p, labels / p.name) for n, p in inside.items() if named.match(n)]
        any_name = re.compile("|".join(sum(SPLIT_NAMES.values(), ())))
        if split == "train" and not any(map(any_name.match, inside)):
            found.append((there[_IMAGES], labels))
    folder = split_folder(directory, split)
    if folder is not None:
        inside = folders(folder)
        if _IMAGES in inside and _LABELS in inside:
            found.append((inside[_IMAGES], inside[_LABELS]))
    return next((pair for pair in found if _are_there(*pair)), None)


def _are_there(images: Path, labels: Path) -> bool:
    """Whether there are pictures, and text files where masks could be."""
    return (
        images != labels
        and has_files(images, IMAGE_SUFFIXES)
        and has_files(labels, (".txt",))
        and not has_files(labels, LABEL_SUFFIXES)
    )


def _class_file(directory: Path, labels: Path | None = None) -> Path | None:
    found = yolo_file.find(directory)
    if found is not None:
        return found
    places = (directory, directory / _LABELS, *([labels] if labels else []))
    lists = (place / _CLASS_LIST for place in places)
    return next((path for path in lists if os.path.isfile(path)), None)


def _class_names(path: Path) -> dict[int, str]:
    if path.name == _CLASS_LIST:
        return {row.index: row.name for row in class_file.rows(path)}
    return yolo_file.read(path).names


def _classes(path: Path) -> tuple[ClassTable, dict[int, int]]:
    """The table of classes, background first, and the value of every number."""
    names, value_of = [BACKGROUND], {}
    for number, name in _class_names(path).items():
        if name.lower() == BACKGROUND:
            value_of[number] = 0
        else:
            value_of[number] = len(names)
            names.append(name)
    try:
        return ClassTable(tuple(names), tuple(spread_colours(len(names)))), value_of
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error


def _draw(
    image: Path, label: Path | None, value_of: dict[int, int], findings: list[Finding]
) -> np.ndarray | None:
    """Class values, int64 (H, W), of the picture's size, turned as its EXIF says."""

    def refuse(found: str, remedy: str) -> None:
        findings.append(Finding(label, _RULE, found, remedy))

    with open_regular(image) as file:
        size = header_size(file)
    if size is None:
        rule, remedy = "a polygon needs its picture's size", "restore the picture"
        findings.append(Finding(image, rule, "no picture", remedy))
        return None
    if label is None:
        return np.zeros(size, np.int64)
    shapes = []
    try:
        lines = read_text(label).splitlines()
    except UnicodeDecodeError:
        return refuse("no text", "export it again")
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words:
            continue
        try:
            index, corners = int(words[0]), np.array(words[1:], np.float64)
        except ValueError:
            return refuse(f"line {number} is {line[:60]!r}", "correct it")
        if len(corners) == 4:
            return refuse("boxes, class x y width height", "export segmentation")
        if len(corners) < 6 or len(corners) % 2:
            return refuse(f"line {number} has {len(corners)} numbers", "correct it")
        if index not in value_of:
            known = ", ".join(map(str, list(value_of)[:6]))
            remedy = "add its name to the file of classes, or take it out"
            return refuse(f"class {index}, and there are {known}", remedy)
        if not (np.abs(corners - 0.5) <= 0.5 + _SLACK).all():
            return refuse("corners beyond 0..1, as of pixels", "divide by the size")
        corners = corners.clip(0, 1).reshape(-1, 2) * size[::-1]
        shape = [corners.reshape(-1).tolist()]
        shapes.append(Outline(f"line {number}", value_of[index], shape))
    return outlines.draw(label, shapes, size, 0, findings)
