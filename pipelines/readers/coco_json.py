"""What COCO's JSON files have in common: names, pictures, categories.

`annotations/KIND_train2017.json` beside `train2017/`, of the kinds instances, stuff and
panoptic, or a JSON among the pictures.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.regular_file import read_regular
from hyperseg_tf.pipelines.decode import LIMIT
from hyperseg_tf.pipelines.readers.layout import SPLIT_NAMES, split_folder
from hyperseg_tf.pipelines.readers.listing import entries, together
from hyperseg_tf.pipelines.samples import Finding


@dataclass(frozen=True)
class Content:
    """A JSON file as far as it is needed.

    Attributes:
        images: With `id`, `file_name`, `height`, `width`.
        annotations: As they are, each with the keys that were asked for.
        categories: By `id`; with `name`.
    """

    path: Path
    images: list[dict]
    annotations: list[dict]
    categories: list[dict]


def read(path: Path, keys: tuple[str, ...]) -> Content:
    """Read a file; what every annotation must have is in `keys`.

    Raises:
        UserError: It is something else, or has a picture beyond all limits.
    """
    try:
        content = json.loads(read_regular(path))
        images = [
            {key: image[key] for key in ("id", "file_name", "height", "width")}
            for image in content["images"]
        ]
        annotations = content["annotations"]
        for annotation in annotations:
            [annotation[key] for key in keys]
        for image in images:
            if not LIMIT.holds(int(image["height"]), int(image["width"])):
                raise ValueError(f"{image['file_name']} has more than {LIMIT}")
        categories = sorted(content["categories"], key=lambda one: one["id"])
        for category in categories:
            category["name"] = str(category["name"])
        return Content(path, images, annotations, categories)
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        raise UserError(
            f"{path}: a COCO file is JSON with images (id, file_name, height, width), "
            f"annotations ({', '.join(keys)}) and categories (id, name): {reason}; "
            "export it again."
        ) from error


def files(directory: Path, split: str) -> list[Path]:
    """JSON files whose names end in a name of the split, in `annotations` or here."""
    names = "|".join(SPLIT_NAMES[split])
    named = re.compile(rf"(?:.*_)?(?:{names})(?:\d{{4}})?\.json$", re.IGNORECASE)
    places = directory / "annotations", directory
    return [p for place in places for p in entries(place) if named.match(p.name)]


@dataclass(frozen=True)
class Picture:
    """One that is there: an entry of `images`, its file, and its name in the split."""

    entry: dict
    path: Path
    name: str


def pictures(
    directory: Path, split: str, content: Content, findings: list[Finding]
) -> list[Picture]:
    """The pictures of a file in the order of their names; missing ones are noted."""
    found, missing = [], []
    stems = Counter(os.path.splitext(one["file_name"])[0] for one in content.images)
    places = list(_places(directory, split, content.path))
    for entry in sorted(content.images, key=lambda image: image["file_name"]):
        name = entry["file_name"]
        path = next((p / name for p in places if os.path.isfile(p / name)), None)
        if path is None:
            missing.append(places[0] / name)
            continue
        stem = os.path.splitext(name)[0]
        unique = stem if stems[stem] == 1 else f"{name}-{entry['id']}"
        found.append(Picture(entry, path, unique))
    findings += together(
        places[0],
        missing,
        "every picture of a COCO file is there",
        "no such file",
        "restore it or take it out of the JSON",
    )
    return found


def no_pictures(directory: Path, split: str, content: Content) -> str:
    """What to say where no picture is left."""
    place = next(_places(directory, split, content.path))
    return (
        f"{content.path}: a split holds at least one picture: found "
        f"{len(content.images)} in the JSON and none of them as a file; put them into "
        f"{place}."
    )


def _places(directory: Path, split: str, path: Path) -> Iterator[Path]:
    """Where the pictures may lie; the first of them that exists leads."""
    part = path.stem.rpartition("_")[2]
    folder = split_folder(directory, split)
    found = [directory / part, directory / "images" / part]
    if folder is not None:
        found = [folder, folder / "images", *found]
    found += [directory / "images" / split, directory / "images", path.parent]
    yield from (place for place in (*found, directory) if os.path.isdir(place))
