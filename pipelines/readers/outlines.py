"""Objects as polygons or run lengths, drawn into labels by COCO's own tools.

Where objects overlap, the smaller one is seen.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.pipelines.decode import LIMIT
from hyperseg_tf.pipelines.samples import Finding

RULE = "an outline is polygons or run lengths of its picture's size"


@dataclass(frozen=True)
class Outline:
    """One object.

    Args:
        name: What a message calls it.
        value: Its class value.
        shape: A list of polygons, each `[x0, y0, x1, y1, ...]` in pixels; or run
            lengths, `{"size": [height, width], "counts": ...}`, packed or as numbers.
        layer: It is above all objects of lower layers, whatever their size.
    """

    name: str
    value: int
    shape: list | dict
    layer: int = 0


def require_tools(what: str) -> None:
    """Raise `UserError` where pycocotools is missing.

    Args:
        what: Whose objects are drawn, for the message.
    """
    try:
        import pycocotools.mask  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"{what} objects are drawn by pycocotools: {error}; "
            "pip install 'hyperseg_tf[data]'."
        ) from error


def draw(
    path: Path,
    outlines: Iterable[Outline],
    size: tuple[int, int],
    below: int,
    findings: list[Finding],
) -> np.ndarray | None:
    """Class values, int64 (H, W); None behind a finding.

    Args:
        path: The file that a finding is about.
        size: (height, width).
        below: Value where no object is.
    """
    label = np.full(size, below, np.int64)
    drawn = []
    for outline in outlines:
        try:
            pixels = _pixels(outline.shape, size)
        except Exception as error:  # Anything, of malformed outlines.
            found = f"{outline.name}: {type(error).__name__} {error}"
            findings.append(Finding(path, RULE, found, "correct or remove it"))
            return None
        drawn.append((outline.layer, -int(pixels.sum()), outline.value, pixels))
    for _, _, value, pixels in sorted(drawn, key=lambda one: one[:2]):
        label[pixels] = value
    return label


def _pixels(shape: list | dict, size: tuple[int, int]) -> np.ndarray:
    """Where the object is, bool (H, W)."""
    from pycocotools import mask

    if isinstance(shape, list):
        corners = np.concatenate([np.asarray(part, np.float64) for part in shape])
        # Drawing takes memory by the length of the lines.
        if not (np.abs(corners) <= LIMIT.side).all():
            raise ValueError("corners far outside the picture")
        return mask.decode(mask.merge(mask.frPyObjects(shape, *size))).astype(bool)
    counts = shape["counts"]
    if list(shape["size"]) != list(size):
        raise ValueError(f"of {shape['size']} in a picture of {list(size)}")
    if isinstance(counts, str | bytes):
        return mask.decode({"size": list(size), "counts": counts}).astype(bool)
    # Pixels go down the columns, runs of 0 and 1 in turns.
    runs = np.asarray(counts, np.int64)
    if (runs < 0).any() or runs.sum() != size[0] * size[1]:
        raise ValueError("runs that do not fill the picture")
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return flat.reshape(size, order="F")
