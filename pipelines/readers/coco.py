"""COCO's JSON: polygons and run lengths of objects, drawn into labels.

`annotations/instances_train2017.json` beside `train2017/`, or `_annotations.coco.json`
among the pictures (Roboflow). A pixel of no object is the class `background`. With
`stuff_train2017.json` beside it both are read: things above stuff, and a pixel of
neither is void, as nobody has labelled it.
"""

import os
import re
from functools import partial
from pathlib import Path

from hyperseg_tf.base.constants import VOID
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.pipelines.array_pairs import DrawnPair
from hyperseg_tf.pipelines.class_file import spread_colours
from hyperseg_tf.pipelines.classes import ClassTable
from hyperseg_tf.pipelines.datasets import Dataset, EmptySplit
from hyperseg_tf.pipelines.readers import coco_json
from hyperseg_tf.pipelines.readers.coco_json import Content
from hyperseg_tf.pipelines.readers.layout import SPLIT_NAMES, Match, split_folder
from hyperseg_tf.pipelines.readers.outlines import Outline, draw, require_tools
from hyperseg_tf.pipelines.samples import Finding

NAME = "COCO"
LAYOUT = (
    "annotations/instances_train2017.json (and stuff_train2017.json) and train2017, or "
    "train/_annotations.coco.json among the pictures"
)

BACKGROUND = "background"
_BESIDE = ("_annotations.coco.json", "annotations.coco.json", "annotations.json")
_WHOLE = ("instances_default.json", *_BESIDE)
# Files of COCO that say nothing about the shape of objects, or in another way.
_OTHERS = re.compile("captions|keypoints|panoptic|image_info", re.IGNORECASE)

# What stuff's file says of pixels that belong to things.
_THINGS = "other"

_KEYS = ("image_id", "category_id")


def look(directory: Path) -> Match:
    """A JSON file by one of its names, for any split."""
    files = [path for split in SPLIT_NAMES for path in _files(directory, split)]
    shown = str(files[0].relative_to(directory)) if files else "a JSON of annotations"
    return Match.of((shown, files))


def has_split(directory: Path, split: str) -> bool:
    """Whether there is a JSON for `split`."""
    return bool(_files(directory, split))


def read(directory: Path, split: str, encoding: str | None) -> Dataset:
    """List the pictures of `split` in the order of their names."""
    files = _files(directory, split)
    if not files:
        raise UserError(
            f"{directory}: split {split} of COCO has a JSON file: found none; it is "
            f"named {_BESIDE[0]} in {split}, or annotations/instances_{split}.json."
        )
    if len(files) > 1 and not _belong_together(files):
        raise UserError(
            f"{directory}: a split has one JSON of annotations, or instances and "
            f"stuff: found {files[0].relative_to(directory)} and "
            f"{files[1].relative_to(directory)} for {split}; move one elsewhere."
        )
    require_tools("COCO's")
    contents = [coco_json.read(path, _KEYS) for path in files]
    findings: list[Finding] = []
    if len(contents) == 1:
        classes, value_of = _classes(contents[0])
        values, below = [value_of], 0
    else:
        classes, values = _classes_of_both(*contents)
        below = VOID
        contents = _in_both(contents, findings)
    outlines = _outlines(contents, values, findings)
    samples = []
    for picture in coco_json.pictures(directory, split, contents[0], findings):
        size = picture.entry["height"], picture.entry["width"]
        label = partial(draw, files[0], outlines[picture.entry["id"]], size, below)
        pair = picture.name, picture.path, files[0], classes, label, tuple(files[1:])
        samples.append(DrawnPair(*pair))
    if not samples:
        error = UserError if contents[0].images else EmptySplit
        raise error(coco_json.no_pictures(directory, split, contents[0]))
    return Dataset(
        directory.resolve().name, directory, split, classes, samples, tuple(findings)
    )


def _outlines(
    contents: list[Content], values: list[dict[int, int]], findings: list[Finding]
) -> dict[int, list[Outline]]:
    """Objects by the number of their picture, those of the last file below the rest."""
    outlines = {image["id"]: [] for image in contents[0].images}
    for content, value_of in zip(contents, values, strict=True):
        findings += _boxes_alone(content)
        for annotation in content.annotations:
            shape = annotation.get("segmentation")
            if shape and annotation["image_id"] in outlines:
                outline = Outline(
                    f"object {annotation.get('id')}",
                    value_of[annotation["category_id"]],
                    shape,
                    layer=int(content is not contents[-1]),
                )
                outlines[annotation["image_id"]].append(outline)
    return outlines


def _files(directory: Path, split: str) -> list[Path]:
    """The JSON of a split; of two that belong together, that of things first."""
    folder = split_folder(directory, split)
    beside = [folder / name for name in _BESIDE] if folder is not None else []
    found = [path for path in beside if os.path.isfile(path)]
    named = coco_json.files(directory, split)
    found += [path for path in named if not _OTHERS.search(path.name)]
    if not found and split == "train":
        whole = [p / n for p in (directory, directory / "annotations") for n in _WHOLE]
        found = [path for path in whole if os.path.isfile(path)]
    return found


def _belong_together(files: list[Path]) -> bool:
    """Whether they are COCO's things and stuff, in this order."""
    kinds = [path.name.lower().partition("_")[0] for path in files]
    return kinds == ["instances", "stuff"]


def _in_both(contents: list[Content], findings: list[Finding]) -> list[Content]:
    """Only the pictures of both files: in one alone, half of the label is missing."""
    things, stuff = ({i["id"]: i for i in content.images} for content in contents)
    for there, here, content in (
        (things, stuff, contents[1]),
        (stuff, things, contents[0]),
    ):
        lacking = sorted(there[key]["file_name"] for key in there.keys() - here.keys())
        if lacking:
            shown = ", ".join(lacking[:3]) + ", ..." * (len(lacking) > 3)
            rule = "instances and stuff are of the same pictures"
            found = f"{len(lacking)} of the other file are missing ({shown})"
            remedy = "add them, or take them out of the other file"
            findings.append(Finding(content.path, rule, found, remedy))
    for key in things.keys() & stuff.keys():
        if things[key] != stuff[key]:
            raise UserError(
                f"{contents[1].path}: instances and stuff are of the same pictures: "
                f"number {key} is {_entry(things[key])} and {_entry(stuff[key])}; take "
                "files of one release."
            )
    kept = [image for key, image in things.items() if key in stuff]
    return [Content(c.path, kept, c.annotations, c.categories) for c in contents]


def _entry(image: dict) -> str:
    return f"{image['file_name']} of {image['height']}x{image['width']}"


def _classes(content: Content) -> tuple[ClassTable, dict[int, int]]:
    """The table of classes, background first, and the value of every category."""
    used = {annotation["category_id"] for annotation in content.annotations}
    # Roboflow's first category is only what the others are kinds of.
    above = {str(category.get("supercategory")) for category in content.categories}
    names, value_of = [BACKGROUND], {}
    for category in content.categories:
        number, name = category["id"], category["name"]
        if number not in used and number == 0 and name in above:
            continue
        if name.lower() == BACKGROUND:
            value_of[number] = 0
        else:
            value_of[number] = len(names)
            names.append(name)
    return _table(content.path, names), _known(content, value_of)


def _classes_of_both(
    things: Content, stuff: Content
) -> tuple[ClassTable, list[dict[int, int]]]:
    """The table of things and then stuff, and the value of every category of each."""
    names: list[str] = []
    values = []
    for content in (things, stuff):
        value_of = {}
        for category in content.categories:
            if content is stuff and category["name"].lower() == _THINGS:
                value_of[category["id"]] = VOID
            else:
                value_of[category["id"]] = len(names)
                names.append(category["name"])
        values.append(_known(content, value_of))
    return _table(stuff.path, names), values


def _table(path: Path, names: list[str]) -> ClassTable:
    try:
        return ClassTable(tuple(names), tuple(spread_colours(len(names))))
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error


def _known(content: Content, value_of: dict[int, int]) -> dict[int, int]:
    unknown = {a["category_id"] for a in content.annotations} - value_of.keys()
    if unknown:
        what = f"annotations have the unknown categories {unknown}"
        raise UserError(f"{content.path}: {what}; export it again.")
    return value_of


def _boxes_alone(content: Content) -> list[Finding]:
    boxes = sum(
        not annotation.get("segmentation") for annotation in content.annotations
    )
    if not boxes:
        return []
    return [
        Finding(
            content.path,
            "every object has its outline (segmentation)",
            f"{boxes} of {len(content.annotations)} have a box only",
            "export polygons or masks, or take these objects out",
        )
    ]
