"""`data.yaml` of a YOLO data set: the names of its classes, where its splits lie."""

import os
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.regular_file import read_regular
from hyperseg_tf.base.text import shortened
from hyperseg_tf.pipelines.readers.layout import SPLIT_NAMES
from hyperseg_tf.pipelines.readers.listing import entries

_NAMES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
_LARGEST_BYTES = 2**20


@dataclass(frozen=True)
class YoloFile:
    """What a file says.

    Attributes:
        names: Name of every class by its number.
        folders: The folder of pictures of a split, as far as one is there.
    """

    names: dict[int, str]
    folders: dict[str, Path] = field(default_factory=dict)


def find(directory: Path) -> Path | None:
    """The file by its usual names, or the only YAML there is."""
    there = [p for p in entries(directory) if p.suffix.lower() in (".yaml", ".yml")]
    named = [path for path in there if path.name.lower() in _NAMES]
    if len(named) == 1 or len(there) == 1:
        return (named or there)[0]
    return None


def read(path: Path) -> YoloFile:
    """Read the file.

    Raises:
        UserError: It is something else, or PyYAML is missing.
    """
    try:
        import yaml
    except ImportError as error:
        raise UserError(
            f"{path} is read by PyYAML: {error}; pip install 'hyperseg_tf[data]'."
        ) from error
    try:
        content = yaml.safe_load(read_regular(path, _LARGEST_BYTES))
        names = _names(content)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        reason = getattr(error, "strerror", None) or shortened(error)
        raise UserError(
            f"{path}: a YOLO data set lists its classes, names: [car, tree], or names: "
            f"with a line 0: car for each: {reason}; correct it."
        ) from error
    folders = {}
    for split, words in SPLIT_NAMES.items():
        said = next((content[word] for word in words if content.get(word)), None)
        found = None if said is None else _folder(path, content.get("path"), said)
        if found is not None:
            folders[split] = found
    return YoloFile(names, folders)


def _names(content: Any) -> dict[int, str]:
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not names:
        raise ValueError("found no names")
    for number, name in names.items():
        if type(number) is not int or not isinstance(name, str | int):
            raise ValueError(f"found {shortened(number)}: {shortened(name)}")
    count = content.get("nc", len(names))
    if count != len(names):
        raise ValueError(f"found {len(names)} names and nc: {shortened(count)}")
    return {number: str(name) for number, name in sorted(names.items())}


def _folder(path: Path, root: Any, said: Any) -> Path | None:
    """Where a split lies by what the file says; None where that is not here.

    Files travel: a root on another machine, or "../" of a notebook, is left out.
    """
    several = said if isinstance(said, list) else [said]
    if len(several) > 1 or not isinstance(several[0], str):
        raise UserError(
            f"{path}: a split is one folder of pictures: found {shortened(said)}; "
            "write its name, images/train."
        )
    inside = PurePosixPath(several[0].replace("\\", "/"))
    if inside.suffix == ".txt":
        raise UserError(
            f"{path}: a split is a folder of pictures: found the list {inside}; write "
            "the folder's name, images/train."
        )
    parts = [part for part in inside.parts if part not in ("..", ".", "/")]
    places = [path.parent]
    if isinstance(root, str):
        places.append(path.parent / PurePosixPath(root.replace("\\", "/")).name)
    found = (place.joinpath(*parts) for place in places if parts)
    return next((folder for folder in found if os.path.isdir(folder)), None)
