"""What lies in the folder of a run beside the run's own files, told by its contents.

`evaluate --json RUN/NAME.json --draw RUN/FOLDER` and `benchmark --json RUN/NAME.json`
write them, whatever their names; other JSON files are left alone.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.regular_file import read_text
from hyperseg_tf.training.run_folder import RunFolder

# Pixels, and milliseconds: no count or time comes near it.
_MOST = 1e15

_DRAWN = re.compile(r"(worst|best)_(\d+)_(.+)\.png")
_OVERLAY = re.compile(r"epoch_(\d+)\.png")


@dataclass(frozen=True)
class Scored:
    """What `evaluate --json` wrote.

    Attributes:
        path: Of the file.
        data: Its contents: texts, numbers or None, classes and matrix as they must be.
        name: What a page calls it.
        is_older: The file is older than model.keras, so perhaps of another one.
    """

    path: Path
    data: Mapping[str, Any]
    name: str
    is_older: bool = False

    @property
    def miou(self) -> float | None:
        """Mean over the classes, 0..1."""
        return _share(self.data.get("miou"))

    @property
    def iou(self) -> dict[str, float | None]:
        """By class."""
        return {name: _share(value) for name, value in self.data["iou"].items()}

    def older_than(self, model: Path) -> bool:
        """Whether the file is older than a model's; not where either is gone."""
        try:
            return self.path.stat().st_mtime < model.stat().st_mtime
        except OSError:
            return False

    def interval(self, name: str | None = None) -> tuple[float, float] | None:
        """Of a class's IoU, or of the mean: (low, high); None where there is none."""
        found = self.data.get("intervals")
        if not isinstance(found, dict):
            return None
        of_classes = found.get("iou") if isinstance(found.get("iou"), dict) else {}
        pair = found.get("miou") if name is None else of_classes.get(name)
        if not isinstance(pair, list) or len(pair) != 2:
            return None
        low, high = map(_share, pair)
        return None if low is None or high is None else (low, high)

    @property
    def against(self) -> str | None:
        """What `evaluate --against` said of the mean; None where it was not asked."""
        found = self.data.get("against")
        told = found.get("miou") if isinstance(found, dict) else None
        if not isinstance(told, dict) or not isinstance(told.get("interval"), list):
            return None
        numbers = [number(n) for n in (told.get("difference"), *told["interval"])]
        if len(numbers) != 3 or not all(
            n is not None and -1 <= n <= 1 for n in numbers
        ):
            return None
        more, low, high = (f"{100 * n:+.2f}" for n in numbers)
        apart = numbers[1] > 0 or numbers[2] < 0
        verdict = "" if apart else ", not told apart"
        return f"{found.get('model')}: {more} ({low} to {high}){verdict}"

    @property
    def meaning(self) -> dict[str, Any]:
        """What decides what the scores mean; those that differ do not compare."""
        names = "protocol dataset split images absent one_void passes input_size"
        pictures = self.data.get("pictures")
        listed = pictures if isinstance(pictures, list) else []
        return {
            **{name: self.data.get(name) for name in names.split()},
            "classes": list(self.iou),
            "pictures": [p.get("name") for p in listed if isinstance(p, dict)],
        }

    @property
    def title(self) -> str:
        """Protocol and data, one line."""
        words = [str(self.data.get(name) or "?") for name in ("dataset", "split")]
        title = f"{self.data['protocol']} on {' '.join(words)}"
        passes = self.data.get("passes")
        return f"{title}, {passes}" if passes else title


@dataclass(frozen=True)
class Timed:
    """What `benchmark --json` wrote: the median of a call's milliseconds."""

    path: Path
    median_ms: float
    size: tuple[int, int]
    batch_size: int
    device: str


@dataclass(frozen=True)
class Beside:
    """What was found.

    Attributes:
        scored: Evaluations by file name.
        timed: Latencies by file name.
        drawn: Pictures that `evaluate --draw` made, by folder: ("worst" or "best",
            name of the picture, file).
        overlays: Pictures of the run's epochs, by number.
    """

    scored: tuple[Scored, ...] = ()
    timed: tuple[Timed, ...] = ()
    drawn: Mapping[str, tuple[tuple[str, str, Path], ...]] = ()
    overlays: Mapping[int, Path] = ()


def look_beside(folder: RunFolder) -> Beside:
    """Look at the folder of a run.

    Raises:
        UserError: A file of an evaluation or a measurement is damaged.
    """
    scored, timed = [], []
    for path in sorted(folder.path.glob("*.json")):
        if path in (folder.facts, folder.sparsity) or path.name.startswith("."):
            continue
        data = _read(path)
        if _is_scores(data):
            found = Scored(path, _checked(path, data), path.name)
            scored.append(replace(found, is_older=found.older_than(folder.best)))
        elif isinstance(data, dict) and {"latencies_ms", "median_ms"} <= set(data):
            timed.append(_timed(path, data))
    overlays = {
        int(match[1]): path
        for path in sorted(folder.overlays.glob("*.png"))
        if (match := _OVERLAY.fullmatch(path.name))
    }
    drawn = {}
    for inner in sorted(path for path in folder.path.iterdir() if path.is_dir()):
        found = [
            (match[1], match[3], path)
            for path in sorted(inner.glob("*.png"))
            if (match := _DRAWN.fullmatch(path.name))
        ]
        if found:
            drawn[inner.name] = tuple(found)
    return Beside(tuple(scored), tuple(timed), drawn, overlays)


def read_scored(path: Path) -> Scored:
    """What `evaluate --json` wrote, wherever it lies.

    Raises:
        UserError: It cannot be read, or is something else.
    """
    data = _read(path)
    if not _is_scores(data):
        raise UserError(
            f"scores are a file that `evaluate --json` wrote: {path} is another; name "
            "that one."
        )
    return Scored(path, _checked(path, data), str(path))


def number(value: Any) -> float | None:
    """A finite number as it is, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        value = float(value)
    except OverflowError:
        return None
    return value if math.isfinite(value) else None


def _share(value: Any) -> float | None:
    """A number 0..1 as it is, None for anything else."""
    value = number(value)
    return value if value is not None and 0 <= value <= 1 else None


def _is_scores(data: Any) -> bool:
    return isinstance(data, dict) and {"protocol", "iou"} <= set(data)


def _read(path: Path) -> Any:
    try:
        return json.loads(read_text(path))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"a JSON file of a report can be read: {path} cannot ({error}); write it "
            "again, or leave it out of the report."
        ) from None


def _checked(path: Path, data: dict[str, Any]) -> dict[str, Any]:
    """The data, sure to have a matrix of its classes."""
    iou, names, matrix = (data.get(name) for name in ("iou", "classes", "matrix"))
    right = (
        isinstance(data["protocol"], str)
        and isinstance(iou, dict)
        and isinstance(names, list)
        and 0 < len(names) <= 256
        and all(isinstance(name, str) for name in names)
        and isinstance(matrix, list)
        and len(matrix) == len(names)
        and all(isinstance(row, list) and len(row) == len(names) for row in matrix)
        and all(0 <= _or_less(value) < _MOST for row in matrix for value in row)
    )
    if not right:
        raise UserError(
            f"scores are a file that `evaluate --json` wrote: {path} has no matrix of "
            "its classes; write it again or move it elsewhere."
        )
    return data


def _timed(path: Path, data: dict[str, Any]) -> Timed:
    median, size = number(data["median_ms"]), data.get("size")
    sides = size if isinstance(size, list) and len(size) == 2 else []
    right = 0 < _or_less(median) < _MOST and len(sides) == 2
    if not right or not all(type(s) is int and 0 < s <= 16_384 for s in sides):
        raise UserError(
            f"a latency is a file that `benchmark --json` wrote: {path} has no median "
            "of a size; write it again or move it elsewhere."
        )
    batch = data.get("batch_size")
    return Timed(
        path,
        median,
        (sides[0], sides[1]),
        batch if type(batch) is int else 1,
        str(data.get("device", "?")),
    )


def _or_less(value: Any) -> float:
    value = number(value)
    return -1.0 if value is None else value
