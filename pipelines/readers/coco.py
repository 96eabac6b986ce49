"""COCO's JSON: polygons and run lengths of objects, drawn into labels.

`annotations/instances_train2017.json` beside `train2017/`, or `_annotations.coco.json`
among the pictures (Roboflow). A pixel of no object is the class `background`; where
objects overlap, the smaller one is seen.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.regular_file import read_regular
from pipelines.array_pairs import DrawnPair
from pipelines.class_file import spread_colours
from pipelines.classes import ClassTable
from pipelines.datasets import Dataset, EmptySplit
from pipelines.decode import LIMIT
from pipelines.readers.layout import SPLIT_NAMES, Match, split_folder
from pipelines.readers.listing import entries, together
from pipelines.samples import Finding

NAME = "COCO"
LAYOUT = (
    "annotations/instances_train2017.json and train2017, or "
    "train/_annotations.coco.json among the pictures"
)

BACKGROUND = "background"
_BESIDE = ("_annotations.coco.json", "annotations.coco.json", "annotations.json")
_WHOLE = ("instances_default.json", *_BESIDE)
# Files of COCO that say nothing about the shape of objects.
_OTHERS = re.compile("captions|keypoints|panoptic|image_info", re.IGNORECASE)


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
    if len(files) > 1:
        raise UserError(
            f"{directory}: a split has one JSON of annotations: found "
            f"{files[0].relative_to(directory)} and {files[1].relative_to(directory)} "
            f"for {split}; move one of them elsewhere."
        )
    (path,) = files
    _require_tools()
    images, objects, categories = _content(path)
    classes, value_of = _classes(path, categories, objects)
    of_image: dict[int, list] = {image["id"]: [] for image in images}
    findings = _boxes_alone(path, objects)
    for annotation in objects:
        if annotation.get("segmentation") and annotation["image_id"] in of_image:
            of_image[annotation["image_id"]].append(annotation)
    samples, missing = [], []
    names = Counter(os.path.splitext(image["file_name"])[0] for image in images)
    places = list(_places(directory, split, path))
    for image in sorted(images, key=lambda image: image["file_name"]):
        source = _find(places, image["file_name"])
        if source is None:
            missing.append(places[0] / image["file_name"])
            continue
        size = image["height"], image["width"]
        draw = partial(_draw, path, of_image[image["id"]], value_of, size)
        name = os.path.splitext(image["file_name"])[0]
        if names[name] > 1:
            name = f"{image['file_name']}-{image['id']}"
        samples.append(DrawnPair(name, source, path, classes, draw))
    findings += together(
        places[0],
        missing,
        "every picture of a COCO file is there",
        "no such file",
        "restore it or take it out of the JSON",
    )
    if not samples:
        error = UserError if images else EmptySplit
        raise error(
            f"{path}: a split holds at least one picture: found {len(images)} in the "
            f"JSON and none of them as a file; put them into {places[0]}."
        )
    return Dataset(
        directory.resolve().name, directory, split, classes, samples, tuple(findings)
    )


def _files(directory: Path, split: str) -> list[Path]:
    names = "|".join(SPLIT_NAMES[split])
    named = re.compile(rf"(?:.*_)?(?:{names})(?:\d{{4}})?\.json$", re.IGNORECASE)
    folder = split_folder(directory, split)
    beside = [folder / name for name in _BESIDE] if folder is not None else []
    found = [path for path in beside if os.path.isfile(path)]
    for place in (directory / "annotations", directory):
        found += [
            path
            for path in entries(place)
            if named.match(path.name) and not _OTHERS.search(path.name)
        ]
    if not found and split == "train":
        whole = [p / n for p in (directory, directory / "annotations") for n in _WHOLE]
        found = [path for path in whole if os.path.isfile(path)]
    return found


def _places(directory: Path, split: str, path: Path) -> Iterator[Path]:
    """Where the pictures may lie; the first of them that exists leads."""
    part = path.stem.rpartition("_")[2]
    folder = split_folder(directory, split)
    found = [directory / part, directory / "images" / part]
    if folder is not None:
        found = [folder, folder / "images", *found]
    found += [directory / "images" / split, directory / "images", path.parent]
    yield from (place for place in (*found, directory) if os.path.isdir(place))


def _find(places: list[Path], name: str) -> Path | None:
    return next((p / name for p in places if os.path.isfile(p / name)), None)


def _require_tools() -> None:
    try:
        import pycocotools.mask  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"COCO's objects are drawn by pycocotools: {error}; "
            "pip install 'hyperseg_tf[data]'."
        ) from error


def _content(path: Path) -> tuple[list, list, list]:
    try:
        content = json.loads(read_regular(path))
        images = [
            {key: image[key] for key in ("id", "file_name", "height", "width")}
            for image in content["images"]
        ]
        objects = content["annotations"]
        for annotation in objects:
            annotation["image_id"], annotation["category_id"]
        for image in images:
            if not LIMIT.holds(int(image["height"]), int(image["width"])):
                raise ValueError(f"{image['file_name']} has more than {LIMIT}")
        return images, objects, [(c["id"], str(c["name"]), c) for c in _sorted(content)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        raise UserError(
            f"{path}: a COCO file is JSON with images (id, file_name, height, width), "
            f"annotations (image_id, category_id) and categories (id, name): {reason}; "
            "export it again."
        ) from error


def _sorted(content: dict) -> list[dict]:
    return sorted(content["categories"], key=lambda category: category["id"])


def _classes(
    path: Path, categories: list, objects: list
) -> tuple[ClassTable, dict[int, int]]:
    """The table of classes, background first, and the value of every category."""
    used = {annotation["category_id"] for annotation in objects}
    # Roboflow's first category is only what the others are kinds of.
    above = {str(category.get("supercategory")) for _, _, category in categories}
    kept = [
        (number, name)
        for number, name, _ in categories
        if number in used or number != 0 or name not in above
    ]
    names, value_of = [BACKGROUND], {}
    for number, name in kept:
        if name.lower() == BACKGROUND:
            value_of[number] = 0
        else:
            value_of[number] = len(names)
            names.append(name)
    unknown = used - value_of.keys()
    try:
        if unknown:
            raise ValueError(f"annotations have the unknown categories {unknown}")
        return ClassTable(tuple(names), tuple(spread_colours(len(names)))), value_of
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error


def _boxes_alone(path: Path, objects: list) -> list[Finding]:
    boxes = sum(not annotation.get("segmentation") for annotation in objects)
    if not boxes:
        return []
    return [
        Finding(
            path,
            "every object has its outline (segmentation)",
            f"{boxes} of {len(objects)} have a box only",
            "export polygons or masks, or take these objects out",
        )
    ]


def _draw(
    path: Path,
    objects: list[dict],
    value_of: dict[int, int],
    size: tuple[int, int],
    findings: list[Finding],
) -> np.ndarray | None:
    """Class values, int64 (H, W); the largest object first."""
    label = np.zeros(size, np.int64)
    drawn = []
    for annotation in objects:
        try:
            pixels = _pixels(annotation["segmentation"], size)
        except Exception as error:  # Anything, of malformed outlines.
            found = f"object {annotation.get('id')}: {type(error).__name__} {error}"
            rule = "an outline is polygons or run lengths of its picture's size"
            findings.append(Finding(path, rule, found, "correct or remove it"))
            return None
        drawn.append((int(pixels.sum()), value_of[annotation["category_id"]], pixels))
    for _, value, pixels in sorted(drawn, key=lambda one: -one[0]):
        label[pixels] = value
    return label


def _pixels(outline: list | dict, size: tuple[int, int]) -> np.ndarray:
    """Where the object is, bool (H, W)."""
    from pycocotools import mask

    if isinstance(outline, list):
        corners = np.concatenate([np.asarray(part, np.float64) for part in outline])
        # Drawing takes memory by the length of the lines.
        if not (np.abs(corners) <= LIMIT.side).all():
            raise ValueError("corners far outside the picture")
        return mask.decode(mask.merge(mask.frPyObjects(outline, *size))).astype(bool)
    counts = outline["counts"]
    if list(outline["size"]) != list(size):
        raise ValueError(f"of {outline['size']} in a picture of {list(size)}")
    if isinstance(counts, str | bytes):
        return mask.decode({"size": list(size), "counts": counts}).astype(bool)
    # Pixels go down the columns, runs of 0 and 1 in turns.
    runs = np.asarray(counts, np.int64)
    if (runs < 0).any() or runs.sum() != size[0] * size[1]:
        raise ValueError("runs that do not fill the picture")
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return flat.reshape(size, order="F")
