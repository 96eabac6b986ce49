"""labelme's JSON beside every picture: polygons, drawn into labels.

`x.json` beside `x.jpg`, in the folders of splits or all in one, which is train. Classes
are those of a class file, or all names that occur, in the order of the alphabet behind
`background`, which is what nobody outlined. `__ignore__` is void. Later shapes cover
earlier ones, as in labelme.
"""

import json
import math
import os
from base64 import b64decode
from collections.abc import Callable
from functools import partial
from io import BytesIO
from itertools import chain
from pathlib import Path, PureWindowsPath

import numpy as np
from PIL import Image, ImageDraw

from hyperseg_tf.base.constants import VOID
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.picture_file import open_header
from hyperseg_tf.base.regular_file import read_regular
from hyperseg_tf.pipelines import class_file
from hyperseg_tf.pipelines.array_pairs import DrawnPair
from hyperseg_tf.pipelines.class_file import spread_colours
from hyperseg_tf.pipelines.classes import ClassTable
from hyperseg_tf.pipelines.datasets import Dataset
from hyperseg_tf.pipelines.decode import LIMIT
from hyperseg_tf.pipelines.readers.layout import Match, split_folder, split_folders
from hyperseg_tf.pipelines.readers.listing import (
    IMAGE_SUFFIXES,
    Listing,
    entries,
    key_in,
    together,
)
from hyperseg_tf.pipelines.samples import Finding

NAME = "labelme"
LAYOUT = "x.json beside every x.jpg, in train and val or in one folder"

BACKGROUND = "background"
_BACKGROUNDS, _IGNORED = ("_background_", BACKGROUND), ("__ignore__", "void")

_Points = list[tuple[float, float]]


def look(directory: Path) -> Match:
    """A JSON with shapes and the name of a picture."""
    places = [*split_folders(directory).values(), directory]
    first = next(filter(None, map(_first, places)), None)
    shown = first.name if first else "a JSON with shapes and imagePath"
    return Match.of((shown, first))


def has_split(directory: Path, split: str) -> bool:
    """Whether the folder of `split` holds such files."""
    folder = _folder(directory, split)
    return folder is not None and _first(folder) is not None


def read(directory: Path, split: str, encoding: str | None) -> Dataset:
    """List the pictures of `split`, sorted by name."""
    folder = _folder(directory, split)
    listing = Listing.of(folder) if folder is not None else None
    labels = [p for p in listing.files if _is_json(p)] if listing else []
    if not labels:
        raise UserError(
            f"{folder or directory / split}: a split of labelme has x.json beside x.jpg"
            ": found no JSON file; create the folder or give train a part for it."
        )
    classes = _classes(directory)
    value_of = dict(zip(classes.names, classes.values, strict=True))
    samples, missing, strange = [], [], []
    for path in labels:
        content = _content(path)
        image = None if content is None else _image(path, content["imagePath"])
        if content is None:
            strange.append(path)
        elif image is None:
            missing.append(path)
        else:
            draw = partial(_draw, path, value_of)
            name = key_in(listing.folder, path)
            samples.append(DrawnPair(name, image, path, classes, draw))
    used = {sample.image_source for sample in samples}
    pictures = (p for p in listing.files if p.suffix.lower() in IMAGE_SUFFIXES)
    findings = []
    for sources, rule, found, remedy in (
        (strange, "a .json is one of labelme", "it is not", "move it elsewhere"),
        (missing, "every JSON has its picture", "no such file", "restore or remove it"),
        (
            [path for path in pictures if path not in used],
            "every image has a label of the same name",
            "no label",
            "outline what is to be seen, or remove the image",
        ),
    ):
        findings += together(listing.folder, sources, rule, found, remedy)
    if not samples:
        raise UserError(f"{folder}: a split holds a pair at least: {findings[0]}")
    return Dataset(
        directory.resolve().name,
        directory,
        split,
        classes,
        samples,
        tuple(findings),
        listing.note(),
    )


def _is_json(path: Path) -> bool:
    return path.suffix.lower() == ".json"


def _folder(directory: Path, split: str) -> Path | None:
    folder = split_folder(directory, split)
    if folder is None and split == "train" and not split_folders(directory):
        return directory
    return folder


def _first(folder: Path) -> Path | None:
    """The first JSON file in a folder or its folders, where it is labelme's."""
    found = entries(folder)
    inner = (path for place in found if os.path.isdir(place) for path in entries(place))
    for path in chain(found, inner):
        if _is_json(path) and os.path.isfile(path):
            return path if _content(path) is not None else None
    return None


def _content(path: Path) -> dict | None:
    try:
        content = json.loads(read_regular(path))
    except (OSError, ValueError, RecursionError):
        return None
    keys = ("shapes", "imagePath", "imageHeight", "imageWidth")
    there = isinstance(content, dict) and all(key in content for key in keys)
    return content if there else None


def _image(path: Path, written: str) -> Path | None:
    """The picture by the name in the JSON, which may have another system's folders."""
    beside = path.parent / PureWindowsPath(str(written)).name
    same = [path.with_suffix(s) for e in IMAGE_SUFFIXES for s in (e, e.upper())]
    return next((p for p in (beside, *same) if os.path.isfile(p)), None)


def _classes(directory: Path) -> ClassTable:
    own = class_file.find(directory)
    if own is not None:
        return ClassTable.read(own)
    names = set()
    for path in filter(_is_json, Listing.of(directory).files):
        content = _content(path) or {"shapes": []}
        names |= {str(shape.get("label")) for shape in content["shapes"]}
    names -= {*_BACKGROUNDS, *_IGNORED}
    table = (BACKGROUND, *sorted(names))
    try:
        return ClassTable(table, tuple(spread_colours(len(table))))
    except ValueError as error:
        raise UserError(f"{directory}: {error}") from error


def _draw(
    path: Path, value_of: dict[str, int], findings: list[Finding]
) -> np.ndarray | None:
    """Class values and 255, int64 (H, W)."""

    def refuse(found: str) -> None:
        rule = "a shape is an area of a known class"
        findings.append(Finding(path, rule, found, "correct or remove it in labelme"))

    content = _content(path)
    size = None if content is None else (content["imageHeight"], content["imageWidth"])
    if size is None or not all(isinstance(n, int) and n > 0 for n in size):
        return refuse(f"no shapes, or no size ({size})")
    if not LIMIT.holds(*size):
        return refuse(f"a size of {size}")
    canvas = Image.new("L", size[::-1], value_of.get(BACKGROUND, 0))
    if BACKGROUND not in value_of:
        canvas = Image.new("L", size[::-1], VOID)
    for shape in content["shapes"]:
        name = str(shape.get("label"))
        value = VOID if name in _IGNORED else value_of.get(name)
        if name in _BACKGROUNDS:
            value = value_of.get(BACKGROUND, value_of.get(name, VOID))
        if value is None:
            return refuse(f"class {name!r}")
        kind = shape.get("shape_type") or "polygon"
        try:
            _KINDS[kind](canvas, shape, value)
        except Exception:  # Anything, of malformed shapes.
            return refuse(
                f"{name!r}, a {kind} of {len(shape.get('points', ()))} points"
            )
    return np.asarray(canvas).astype(np.int64)


def _points(shape: dict, least: int) -> _Points:
    points = [(float(x), float(y)) for x, y in shape["points"]]
    if len(points) < least or not all(map(math.isfinite, sum(points, ()))):
        raise ValueError
    return points


def _polygon(canvas: Image.Image, shape: dict, value: int) -> None:
    points = _points(shape, 3)
    ImageDraw.Draw(canvas).polygon(points, fill=value, outline=value)


def _rectangle(canvas: Image.Image, shape: dict, value: int) -> None:
    (x0, y0), (x1, y1) = _points(shape, 2)
    box = (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
    ImageDraw.Draw(canvas).rectangle(box, fill=value, outline=value)


def _circle(canvas: Image.Image, shape: dict, value: int) -> None:
    (x, y), rim = _points(shape, 2)
    radius = math.dist((x, y), rim)
    box = (x - radius, y - radius, x + radius, y + radius)
    ImageDraw.Draw(canvas).ellipse(box, fill=value, outline=value)


def _mask(canvas: Image.Image, shape: dict, value: int) -> None:
    """A PNG in the text, at the corner of a box."""
    header = open_header(BytesIO(b64decode(shape["mask"])), ("PNG",))
    if not LIMIT.holds(header.height, header.width):
        raise ValueError
    corner = tuple(round(n) for n in _points(shape, 2)[0])
    canvas.paste(value, corner, header.convert("1"))


_KINDS: dict[str, Callable[[Image.Image, dict, int], None]] = {
    "polygon": _polygon,
    "rectangle": _rectangle,
    "circle": _circle,
    "mask": _mask,
}
