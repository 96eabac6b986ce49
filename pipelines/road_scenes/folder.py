"""The scenes as a folder of ordinary files, as anybody's own data would be."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from hyperseg_tf.base.atomic import atomic_folder
from hyperseg_tf.base.constants import VOID
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.pipelines.class_tables import CAMVID
from hyperseg_tf.pipelines.classes import ClassTable
from hyperseg_tf.pipelines.road_scenes.composition import scene

# CamVid's classes; here the value of void is 255, and its colour black.
CLASSES = ClassTable(
    CAMVID.names, CAMVID.colours, void_values=(VOID,), void_colours=((0, 0, 0),)
)
# Raised whenever a seed gives another picture: a folder says what wrote it.
VERSION = 1
MARKER = "road_scenes.json"
# Scenes of one seed: train from 0, val from here, so that neither meets the other.
SPLIT_STRIDE = 1_000_000


def write(
    directory: str | os.PathLike,
    *,
    train: int,
    val: int,
    size: tuple[int, int],
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> bool:
    """Write a data folder of road scenes; all of it or nothing.

    The folder holds `classes.csv`, `train/images/0000.png`,
    `train/labels/0000.png` (8-bit class indices, 255 void) and the same for `val`.

    Args:
        directory: Where; made with its parents. It may exist if it is empty or
            was written by the same call.
        train, val: Number of scenes of each split; at least 1.
        size: (H, W) in pixels.
        seed: Other seeds give other scenes; more scenes leave the first as they are.
        progress: Called with (scenes done, scenes in all) after every scene.

    Returns:
        True if the folder was written, False if it was there already.

    Raises:
        UserError: If the folder holds anything else or cannot be written.
        ValueError: If a number is out of range.
    """
    if not 1 <= train <= SPLIT_STRIDE or not 1 <= val <= SPLIT_STRIDE:
        raise ValueError(
            f"train and val must be 1 to {SPLIT_STRIDE}: got {train} and {val}."
        )
    if seed < 0:
        raise ValueError(f"seed must be 0 or more: got {seed}; take another one.")
    directory = Path(directory)
    made = {"version": VERSION, "train": train, "val": val, "size": list(size)}
    made["seed"] = seed
    if directory.exists() and not _is_empty(directory):
        _expect_same(directory, made)
        return False
    try:
        with atomic_folder(directory) as partial:
            _write_all(partial, made, progress)
    except OSError as error:
        raise UserError(
            f"{directory}: the folder of the scenes must be writable: "
            f"{error.strerror or error}; choose another folder or make room."
        ) from error
    return True


def _is_empty(directory: Path) -> bool:
    return directory.is_dir() and not any(directory.iterdir())


def _expect_same(directory: Path, made: dict) -> None:
    """Raise UserError unless the folder is whole and was made with these values."""
    way_out = "choose another folder or delete this one."
    try:
        found = json.loads((directory / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise UserError(
            f"road scenes are written into a new or empty folder: {directory} holds "
            f"something else; {way_out}"
        ) from None
    if found != made:
        raise UserError(
            f"road scenes are written into a new or empty folder: {directory} holds "
            f"scenes made with {found}, not {made}; {way_out}"
        )
    files = _files(directory, made)
    missing = [path for path in files if not path.is_file()]
    if missing:
        raise UserError(
            f"a folder of road scenes must be whole: {directory} lacks {missing[0]}, "
            f"{len(missing)} of {len(files)} files; delete the folder and write it "
            "again."
        )


def _files(directory: Path, made: dict) -> list[Path]:
    files = [directory / "classes.csv"]
    for split in ("train", "val"):
        for i in range(made[split]):
            for kind in ("images", "labels"):
                files.append(directory / split / kind / f"{i:04d}.png")
    return files


def _write_all(directory: Path, made: dict, progress: Callable | None) -> None:
    done, total = 0, made["train"] + made["val"]
    for split, first in (("train", 0), ("val", SPLIT_STRIDE)):
        for kind in ("images", "labels"):
            (directory / split / kind).mkdir(parents=True)
        for i in range(made[split]):
            number = made["seed"] * 2 * SPLIT_STRIDE + first + i
            pair = scene(number, tuple(made["size"]))
            for kind, array in zip(("images", "labels"), pair, strict=True):
                path = directory / split / kind / f"{i:04d}.png"
                Image.fromarray(array).save(path, compress_level=4)
            done += 1
            if progress:
                progress(done, total)
    CLASSES.write(directory / "classes.csv")
    # Last: a folder with this file is whole.
    text = json.dumps(made, indent=1) + "\n"
    (directory / MARKER).write_text(text, encoding="utf-8")
