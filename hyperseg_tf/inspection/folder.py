"""The folder of an inspection: pictures, all numbers, the weights if asked for."""

import json
import os
import re
from pathlib import Path

import keras
import numpy as np

from hyperseg_tf.base.atomic import atomic_folder, check_target
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.inspection import pictures
from hyperseg_tf.inspection.inspect import inspect
from hyperseg_tf.inspection.result import Inspection

# What an earlier inspection may have left; nothing else is ever replaced.
_FILES = {
    "inspection.json",
    "weights.npz",
    *(f"{name}.png" for name in pictures.PICTURES),
}


def inspect_to_folder(
    model: keras.Model | str | Path,
    image: np.ndarray | str | Path,
    out: str | os.PathLike,
    patch: tuple[int, int] | None = None,
    *,
    image_size: tuple[int, int] | None = None,
    overwrite: bool = False,
    weights: bool = False,
) -> tuple[Inspection, list[Path]]:
    """`inspect` and `write`, after a look whether `out` may be written.

    Raises:
        UserError: As both of them.
        ValueError: As `inspect`.
    """
    check_out(out, overwrite)
    found = inspect(model, image, patch, image_size=image_size)
    return found, write(found, out, overwrite=overwrite, weights=weights)


def write(
    found: Inspection,
    out: str | os.PathLike,
    *,
    overwrite: bool = False,
    weights: bool = False,
) -> list[Path]:
    """Write the pictures and `inspection.json` to a folder, all or nothing.

    Args:
        found: What to write.
        out: The folder.
        overwrite: Replace an earlier inspection.
        weights: Also write `weights.npz`: `weights_i` (h, w, P) of head i.

    Returns:
        The files.

    Raises:
        UserError: `out` may not be written; see `check_out`.
    """
    target = check_out(out, overwrite)
    with atomic_folder(target, overwrite) as folder:
        pictures.draw(found, folder)
        text = json.dumps(found.facts(), indent=1)
        # A row of a map is a line.
        text = re.sub(r"\[[^][{}]*\]", lambda row: " ".join(row[0].split()), text)
        (folder / "inspection.json").write_text(text + "\n", "utf-8")
        if weights:
            arrays = {f"weights_{i}": array for i, array in enumerate(found.weights)}
            np.savez(folder / "weights.npz", **arrays)
        names = sorted(path.name for path in folder.iterdir())
    return [Path(out) / name for name in names]


def check_out(out: str | os.PathLike, overwrite: bool) -> Path:
    """Return the resolved folder of the results.

    Raises:
        UserError: It is a file, or holds something and `overwrite` is False, or it
            holds something that no inspection wrote.
    """
    target = Path(out).resolve()
    check_target(target, overwrite)
    if target.is_dir():
        strange = sorted({path.name for path in target.iterdir()} - _FILES)
        if strange:
            raise UserError(
                f"only an earlier inspection is overwritten: {out} holds {strange[0]}; "
                "name another folder."
            )
    return target
