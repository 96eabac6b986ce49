"""COCO's panoptic format: a PNG of segments' numbers per picture, a JSON of classes.

`annotations/panoptic_train2017.json` and `annotations/panoptic_train2017/*.png` beside
`train2017/`. A segment's number is red + 256 green + 65536 blue; its class is its
category, things and stuff alike; 0 is what nobody labelled, void.
"""

import os
from functools import partial
from pathlib import Path

import numpy as np

from hyperseg_tf.base.constants import VOID
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.regular_file import read_regular
from hyperseg_tf.pipelines.array_pairs import DrawnPair
from hyperseg_tf.pipelines.class_file import spread_colours
from hyperseg_tf.pipelines.classes import ClassTable
from hyperseg_tf.pipelines.datasets import Dataset, EmptySplit
from hyperseg_tf.pipelines.pictures import decode, open_header
from hyperseg_tf.pipelines.readers import coco_json
from hyperseg_tf.pipelines.readers.coco_json import Content
from hyperseg_tf.pipelines.readers.layout import SPLIT_NAMES, Match
from hyperseg_tf.pipelines.readers.listing import together
from hyperseg_tf.pipelines.samples import Finding

NAME = "COCO panoptic"
LAYOUT = (
    "annotations/panoptic_train2017.json, annotations/panoptic_train2017 with PNGs, "
    "and train2017"
)

_UNLABELLED = 0


def look(directory: Path) -> Match:
    """The JSON of any split, and the folder of its PNGs."""
    files = [path for split in SPLIT_NAMES for path in _files(directory, split)]
    masks = [path for path in map(partial(_masks, directory), files) if path]
    json_, folder = "annotations/panoptic_train2017.json", "its folder of PNGs"
    if files:
        json_ = str(files[0].relative_to(directory))
        folder = f"{files[0].stem} with PNGs"
    return Match.of((json_, files), (folder, masks))


def has_split(directory: Path, split: str) -> bool:
    """Whether there is a JSON for `split`."""
    return bool(_files(directory, split))


def read(directory: Path, split: str, encoding: str | None) -> Dataset:
    """List the pictures of `split` in the order of their names."""
    files = _files(directory, split)
    if len(files) != 1:
        found = " and ".join(str(p.relative_to(directory)) for p in files) or "none"
        raise UserError(
            f"{directory}: split {split} has one panoptic JSON: found {found}; it is "
            f"named annotations/panoptic_{split}.json."
        )
    (path,) = files
    folder = _masks(directory, path)
    if folder is None:
        raise UserError(
            f"{path}: its PNGs lie in the folder {path.stem} beside it: found no such "
            f"folder; unpack {path.stem}.zip there."
        )
    content = coco_json.read(path, ("image_id", "file_name", "segments_info"))
    classes, value_of = _classes(content)
    masks = {}
    for annotation in content.annotations:
        values = _values(path, annotation, value_of)
        masks[annotation["image_id"]] = folder / annotation["file_name"], values
    findings: list[Finding] = []
    samples, missing = [], []
    for picture in coco_json.pictures(directory, split, content, findings):
        mask, values = masks.get(picture.entry["id"], (None, {}))
        if mask is None or not os.path.isfile(mask):
            missing.append(mask or picture.path)
            continue
        draw = partial(_draw, mask, values)
        pair = picture.name, picture.path, mask, classes, draw, (path,)
        samples.append(DrawnPair(*pair))
    findings += together(
        folder,
        missing,
        "every picture has a PNG of its segments",
        "no such file, or no annotation",
        "restore it or take the picture out of the JSON",
    )
    if not samples:
        if missing:
            raise UserError(str(findings[-1]))
        error = UserError if content.images else EmptySplit
        raise error(coco_json.no_pictures(directory, split, content))
    return Dataset(
        directory.resolve().name, directory, split, classes, samples, tuple(findings)
    )


def _files(directory: Path, split: str) -> list[Path]:
    found = coco_json.files(directory, split)
    return [path for path in found if "panoptic" in path.name.lower()]


def _masks(directory: Path, path: Path) -> Path | None:
    """The folder of the PNGs: beside the JSON, or in the data's folder."""
    places = path.with_suffix(""), directory / path.stem
    return next((place for place in places if os.path.isdir(place)), None)


def _classes(content: Content) -> tuple[ClassTable, dict[int, int]]:
    """All categories by their numbers, and the value of each."""
    names = tuple(category["name"] for category in content.categories)
    spread = tuple(spread_colours(len(names)))
    own = [category.get("color") for category in content.categories]
    usable = all(isinstance(c, list) and len(c) == 3 for c in own)
    colours = tuple(map(tuple, own)) if usable else spread
    if len(set(colours)) < len(names):
        colours = spread
    try:
        table = ClassTable(names, colours)
    except (TypeError, ValueError) as error:
        raise UserError(f"{content.path}: {error}") from error
    return table, {c["id"]: k for k, c in enumerate(content.categories)}


def _values(path: Path, annotation: dict, value_of: dict[int, int]) -> dict[int, int]:
    """Class value by the number of a segment."""
    try:
        segments = annotation["segments_info"]
        values = {int(one["id"]): value_of[one["category_id"]] for one in segments}
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path}: a segment has an id and a known category_id: that of "
            f"{annotation['file_name']}: {type(error).__name__} {error}; export it "
            "again."
        ) from error
    return {_UNLABELLED: VOID, **values}


def _draw(
    path: Path, values: dict[int, int], findings: list[Finding]
) -> np.ndarray | None:
    """Class values, int64 (H, W)."""
    contents = read_regular(path)
    if open_header(path, contents, ("PNG",), findings) is None:
        return None
    colours = decode(path, "colour", contents, findings)
    if colours is None:
        return None
    red, green, blue = colours >> 16, colours >> 8 & 255, colours & 255
    numbers = red + 256 * green + 65536 * blue
    there, inverse = np.unique(numbers, return_inverse=True)
    unknown = [int(number) for number in there if int(number) not in values]
    if unknown:
        shown = ", ".join(map(str, unknown[:5])) + ", ..." * (len(unknown) > 5)
        rule = "every segment of a PNG is in segments_info of its JSON"
        remedy = "take PNG and JSON of one export"
        findings.append(Finding(path, rule, f"unknown numbers {shown}", remedy))
        return None
    table = np.array([values[int(number)] for number in there], np.int64)
    return table[inverse].reshape(numbers.shape)
