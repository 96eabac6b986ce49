"""The folder of one training run: what is in it and what survives a kill.

Every file is replaced whole. The order of the writes at the end of an epoch is
model.keras, run.json, log.csv, ..., latest.keras: a run killed between two of them
repeats the epoch from the older latest.keras and writes the same files again.

Where several processes train together all see the folder, and the first one writes.
"""

import csv
import json
import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from hyperseg_tf.base.atomic import atomic_file
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.compression.sparsity import Sparsity
from hyperseg_tf.network.model_file import BEST, check_complete
from hyperseg_tf.training import processes
from hyperseg_tf.training.devices import alone

Row = dict[str, float]

# Fields of a recipe that may differ between a run and its resumption: they change
# how fast or how visibly it trains, not what comes out.
FREE_FIELDS = ("cache", "overlays", "evaluate_batch_size")


@dataclass(frozen=True)
class RunFolder:
    """Paths of one run and the reading and writing of its small files."""

    path: Path

    @property
    def best(self) -> Path:
        """The model of the best epoch, without optimizer."""
        return self.path / BEST

    @property
    def latest(self) -> Path:
        """The model at the last saved step, with optimizer."""
        return self.path / "latest.keras"

    def kept(self) -> str:
        """What is left of a run that ends now, for messages."""
        return f"{self.latest} is kept" if self.latest.exists() else "nothing was saved"

    @property
    def facts(self) -> Path:
        """Recipe, data, seed, versions, source of the weights, best epoch."""
        return self.path / "run.json"

    @property
    def log(self) -> Path:
        """One row per epoch."""
        return self.path / "log.csv"

    @property
    def curve(self) -> Path:
        """Losses, mIoU, lowest classes and learning rate over the epochs."""
        return self.path / "curve.png"

    @property
    def sparsity(self) -> Path:
        """Zeros of the best model, layer by layer, of a run that prunes."""
        return self.path / "sparsity.json"

    @property
    def sparsity_table(self) -> Path:
        """The same for people."""
        return self.path / "sparsity.txt"

    @property
    def overlays(self) -> Path:
        """One picture per epoch."""
        return self.path / "overlays"

    @property
    def tensorboard(self) -> Path:
        """Event files."""
        return self.path / "tensorboard"

    @property
    def lock(self) -> Path:
        """Held, by the operating system, while a process trains."""
        return self.path / ".lock"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder, which is made if need be, against other trainings.

        The lock of a killed run is gone with it. A new folder in which nothing was
        written is removed again.

        Raises:
            UserError: Another training holds it, or it cannot be written.
        """
        lock = FileLock(self.lock, blocking=False)
        made = not self.path.exists()
        with processes.together():
            if processes.first():
                self._acquire(lock)
        try:
            yield
        finally:
            if processes.first():
                if made:
                    self._discard_if_unused()
                lock.release()

    def _acquire(self, lock: FileLock) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout:
            raise UserError(
                f"one training writes to a run at a time: {self.path} is in use; "
                "wait for it or name another --out."
            ) from None
        except OSError as error:
            raise UserError(
                f"a run is a folder that can be written: {self.path}: "
                f"{error.strerror}; name another --out or change its permissions."
            ) from None

    def resumable(self, facts: dict[str, Any]) -> dict[str, Any] | None:
        """Return run.json of the run to go on with, None if there is no state of it.

        Args:
            facts: Recipe and data as they are to be trained now.

        Raises:
            UserError: The folder holds another run, or files that are damaged.
        """
        old = self.read_facts()
        if old is None:
            for path in (self.best, self.latest, self.log):
                if path.exists():
                    raise UserError(
                        f"a run has a run.json: {self.path} holds {path.name} without "
                        "one; name another --out, or discard it with --fresh."
                    )
            return None
        found = differences(old, facts)
        if found:
            raise UserError(
                f"a run goes on with the recipe and data it started with: {self.path} "
                f"has {'; '.join(found)}; name another --out, or discard that run with "
                "--fresh."
            )
        if not self.latest.exists():
            return None
        try:
            check_complete(self.latest)
        except UserError as error:
            raise UserError(
                f"{str(error).rstrip('.')}; or start the run again with --fresh."
            ) from None
        return old

    def read_facts(self) -> dict[str, Any] | None:
        """Return run.json, or None where there is none.

        Raises:
            UserError: It cannot be read.
        """
        try:
            facts = json.loads(self.facts.read_text())
            parts = [facts.get(part, {}) for part in ("recipe", "data")]
            if not all(isinstance(part, dict) for part in parts):
                raise ValueError("its recipe and data are no objects")
            return facts
        except FileNotFoundError:
            return None
        except (OSError, ValueError, AttributeError, RecursionError) as error:
            raise UserError(
                f"run.json describes the run in its folder: {self.facts} cannot be "
                f"read ({error}); name another --out or add --fresh."
            ) from None

    def write_facts(self, facts: dict[str, Any]) -> None:
        """Replace run.json."""
        if not processes.first():
            return
        with atomic_file(self.facts) as temporary:
            temporary.write_text(json.dumps(facts, indent=2) + "\n")
            _flush_to_disk(temporary)

    def read_log(self) -> list[Row]:
        """Return the rows of log.csv, numbers only; empty where there is none.

        Raises:
            UserError: It holds something else.
        """
        if not self.log.exists():
            return []
        try:
            with self.log.open(newline="") as file:
                return [_numbers(row) for row in csv.DictReader(file)]
        except (ValueError, TypeError, KeyError, OverflowError, csv.Error) as error:
            raise UserError(
                f"log.csv holds one row of numbers per epoch: {self.log} does not "
                f"({error}); restore it, delete it or start again with --fresh."
            ) from error

    def write_log(self, rows: list[Row]) -> None:
        """Replace log.csv; what a row lacks, of an older version's, is NaN there."""
        if not processes.first():
            return
        names = list(dict.fromkeys(name for row in reversed(rows) for name in row))
        with atomic_file(self.log) as temporary:
            with temporary.open("w", newline="") as file:
                writer = csv.DictWriter(file, names, restval="nan")
                writer.writeheader()
                writer.writerows(rows)
            _flush_to_disk(temporary)

    def write_sparsity(self, found: Sparsity, best: dict[str, Any]) -> None:
        """Replace sparsity.json and sparsity.txt, of the best epoch's model."""
        if not processes.first():
            return
        data = {"model": self.best.name, **best, **found.as_data()}
        title = f"{self.best.name}: mIoU {best['val_miou']:.4f}, epoch {best['epoch']}"
        for path, text in (
            (self.sparsity, json.dumps(data, indent=2)),
            (self.sparsity_table, f"{title}\n\n{found.table()}"),
        ):
            with atomic_file(path) as temporary:
                temporary.write_text(text + "\n", "utf-8")
                _flush_to_disk(temporary)

    def discard(self) -> None:
        """Delete what a run writes; other files in the folder stay."""
        if not processes.first():
            return
        for path in self._files():
            path.unlink(missing_ok=True)
        for folder in (self.overlays, self.tensorboard):
            shutil.rmtree(folder, ignore_errors=True)
        self.discard_leftovers()

    def discard_leftovers(self) -> None:
        """Delete the half-written files of a killed run."""
        if not processes.first():
            return
        for name in self._files():
            for path in self.path.glob(f".{name.stem}.????????{name.suffix}"):
                path.unlink(missing_ok=True)

    def _files(self) -> tuple[Path, ...]:
        """What a run writes; its folders apart."""
        models = (self.best, self.latest)
        tables = (self.facts, self.log, self.sparsity, self.sparsity_table)
        return (*models, *tables, self.curve)

    def _discard_if_unused(self) -> None:
        with suppress(OSError):  # somebody else wrote into it or removed it
            if list(self.path.iterdir()) == [self.lock]:
                self.lock.unlink()
                self.path.rmdir()


def save_model(model, path: Path) -> None:
    """Save a Keras model so that `path` only ever names a complete file."""
    if not processes.first():
        return
    with atomic_file(path) as temporary:
        # Keras makes variables meanwhile, and on several processes all have to do so.
        with alone():
            model.save(temporary)
        check_complete(temporary)
        _flush_to_disk(temporary)


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Return one "name: old, now new" per fact by which two runs differ."""
    found = []
    for part in ("recipe", "data"):
        before, now = old.get(part, {}), new[part]
        for name in now:
            if name in FREE_FIELDS or name == "directory" or name not in before:
                continue
            if before[name] != now[name]:
                found.append(f"{name}: {before[name]}, now {now[name]}")
    return found


def _numbers(row: dict[str, str]) -> Row:
    values = {name: float(text) if text else math.nan for name, text in row.items()}
    for name in ("epoch", "step"):
        values[name] = int(values[name])
    return values


def _flush_to_disk(path: Path) -> None:
    # A rename can reach the disk before the contents do.
    with path.open("rb") as file:
        os.fsync(file.fileno())
