"""One run as its report sees it: what its folder holds, looked at before it is shown.

Files of a run may come from anybody: what is taken from them has the type that it must
have, or is left out (a fact) or refused (the log, the best epoch).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.reporting.beside import Beside, look_beside
from hyperseg_tf.training.plan import PLAN
from hyperseg_tf.training.run_folder import FREE_FIELDS, Row, RunFolder
from hyperseg_tf.training.scores import IOU

_NEEDED = ("epoch", "loss", "val_loss", "val_miou")


@dataclass(frozen=True)
class Run:
    """A run with at least one finished epoch.

    Attributes:
        name: Of its folder; `read_runs` makes names of several runs differ.
        folder: Its paths.
        facts: run.json.
        rows: log.csv.
        beside: Evaluations, measurements and pictures that lie in the folder.
    """

    name: str
    folder: RunFolder
    facts: Mapping[str, Any]
    rows: tuple[Row, ...]
    beside: Beside

    @property
    def recipe(self) -> dict[str, Any]:
        """The recipe's fields."""
        return self.facts.get("recipe", {})

    @property
    def data(self) -> dict[str, Any]:
        """What run.json says of the data."""
        return self.facts.get("data", {})

    @cached_property
    def best(self) -> Row:
        """The row of the epoch that is kept; before one is, of the best so far."""
        noted = self.facts.get("best")
        if noted is None:
            return max(self.rows, key=lambda row: _or_less(row["val_miou"]))
        return next(row for row in self.rows if row["epoch"] == noted["epoch"])

    @property
    def is_kept(self) -> bool:
        """Whether `best` is the epoch of model.keras."""
        return self.facts.get("best") is not None

    @property
    def seed(self) -> Any:
        """Of the recipe."""
        return self.recipe.get("seed")

    def class_iou(self, row: Row | None = None) -> dict[str, float]:
        """IoU of each class by its name, 0..1, of an epoch; of the best unless told."""
        row = self.best if row is None else row
        return {n.removeprefix(IOU): v for n, v in row.items() if n.startswith(IOU)}

    @property
    def validation(self) -> dict[str, Any]:
        """What decides what `val_miou` means: runs that differ do not compare."""
        split = str(self.recipe.get("evaluate_split", "val"))
        print_ = (self.facts.get("checked") or {}).get(split)
        there = [self.data.get("directory"), self.data.get("evaluate_samples")]
        fields = ("evaluate", "void_is_class", "read_labels", "split_val")
        return {
            "data": print_ or there,
            "classes": self.data.get("classes"),
            "split": split,
            **{name: self.recipe.get(name) for name in fields},
        }

    @property
    def recipe_but_seed(self) -> dict[str, Any]:
        """What runs have in common that are repeated with other seeds."""
        recipe = {
            name: value
            for name, value in self.recipe.items()
            if name != "seed" and name not in FREE_FIELDS
        }
        train = [
            (self.facts.get("checked") or {}).get(s) for s in ("train", "trainval")
        ]
        where = {k: v for k, v in self.data.items() if k != "directory"}
        weights = self.facts.get("weights")
        return {
            "recipe": recipe,
            "plan": self.facts.get(PLAN) or [],
            "data": where,
            "files": train,
            "weights": weights,
        }


def read_run(path: str | Path) -> Run:
    """Read the run in a folder.

    Raises:
        UserError: There is no run, none of its epochs is finished, or its files are
            damaged.
    """
    folder = RunFolder(Path(path))
    if folder.path.is_file():
        raise UserError(
            f"a report is of the folders of runs: {folder.path} is a file; name its "
            "folder."
        )
    facts = folder.read_facts()
    if facts is None:
        raise UserError(
            f"a report is of runs: {folder.path} has no run.json; name the folder that "
            "train had as --out."
        )
    rows = folder.read_log()
    if not rows:
        raise UserError(
            f"a report is of finished epochs: {folder.path} has none yet; wait for its "
            "first or leave it out."
        )
    for number, row in enumerate(rows, 1):
        missing = [name for name in _NEEDED if name not in row]
        if missing:
            raise UserError(
                f"log.csv has {', '.join(_NEEDED)} of every epoch: {folder.log} lacks "
                f"{', '.join(missing)} in row {number}; restore it."
            )
    _check_facts(folder, facts, rows)
    name = folder.path.resolve().name or str(folder.path)
    return Run(name, folder, facts, tuple(rows), look_beside(folder))


def read_runs(paths: list[str | Path]) -> list[Run]:
    """Read runs, whose names differ: those with one name get their folders' before it.

    Raises:
        UserError: As `read_run`, or a folder is named twice.
    """
    runs = [read_run(path) for path in paths]
    places = [run.folder.path.resolve() for run in runs]
    for place in places:
        if places.count(place) > 1:
            raise UserError(
                f"a report shows a run once: got {place} twice; name it once."
            )
    names = [run.name for run in runs]
    return [
        run
        if names.count(run.name) == 1
        else Run(str(run.folder.path), run.folder, run.facts, run.rows, run.beside)
        for run in runs
    ]


def _check_facts(folder: RunFolder, facts: Mapping[str, Any], rows: list[Row]) -> None:
    for name in ("versions", "environment", "class_pixels", "checked"):
        if not isinstance(facts.get(name) or {}, dict):
            raise _strange(folder, f"{name} is no object")
    best = facts.get("best")
    if best is None:
        return
    epoch = best.get("epoch") if isinstance(best, dict) else None
    if not any(row["epoch"] == epoch for row in rows):
        raise _strange(folder, "its best epoch is not in log.csv")


def _strange(folder: RunFolder, what: str) -> UserError:
    return UserError(
        f"run.json and log.csv are those of one run: {folder.facts}: {what}; restore "
        "them, or leave the run out."
    )


def _or_less(value: float) -> float:
    return -1.0 if math.isnan(value) else value
