"""Whether a model is scored on pictures that it was trained on.

The folder of its run says what those were. Pictures are the same if they are one file,
or files of the same bytes; nearly the same ones are looked for on demand, as every
picture has to be decoded for it.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.picture_file import open_header
from hyperseg_tf.pipelines import (
    Dataset,
    Sample,
    duplicates,
    fingerprint,
    hold_back,
    join,
)
from hyperseg_tf.pipelines.opening import open_dataset

KINDS = ("exact", "near", "allow")

_SHOWN = 3
# Files of one length that differ mostly differ here.
_HEAD = 2**16


@dataclass(frozen=True)
class Training:
    """What a run was trained on.

    Args:
        checked: Fingerprints of its splits, as `pipelines.fingerprint` makes them.
        splits: Those that were trained on.
        samples: Their samples; None where they cannot be had any more.
        why: Why they cannot.
    """

    checked: dict[str, str]
    splits: tuple[str, ...]
    samples: Dataset | None
    why: str = ""


def refuse_leak(model: str | Path, data: Dataset, kind: str) -> str:
    """Say what is to be said of pictures that were trained on.

    Args:
        model: The model's file, or the folder of its run.
        data: What it is to be scored on.
        kind: "exact"; "near" looks for nearly the same pictures, too; "allow" as
            "exact", without an error.

    Returns:
        A line for the table; empty where there is nothing to say.

    Raises:
        UserError: Pictures of `data` were trained on, and that is not allowed; or
            nearly the same ones cannot be looked for.
    """
    training = training_of(model)
    if training is None:
        return ""
    where = f"{data.directory} ({data.split})"
    if _is_a_split(training, data):
        found = [sample.name for sample in data.samples]
    elif training.samples is None:
        return f"not known whether the model was trained on these: {training.why}"
    else:
        found = same_files(training.samples.samples, data.samples)
    if found:
        count = f"{len(found)} of {len(data)} images"
        if kind == "allow":
            return f"{count} were trained on, so the score says too much"
        more = ", ..." if len(found) > _SHOWN else ""
        raise UserError(
            "a score is of pictures that the model was not trained on: its run in "
            f"{_folder(model)} was on {count} of {where}: {', '.join(found[:_SHOWN])}"
            f"{more}; take another split, or force it with --allow-leak."
        )
    if kind == "near" and training.samples is not None:
        lines = _nearly_same(training.samples, data)
        if lines:
            raise UserError(
                f"a score is of pictures unlike those of the training: {lines[0]}; "
                "take other data, or leave out --near-leak."
            )
    return ""


def training_of(model: str | Path) -> Training | None:
    """What the run of a model was trained on, None where there is no run.json.

    Nothing is raised for data that are gone or changed: `Training.why` says it.
    """
    try:
        facts = json.loads((_folder(model) / "run.json").read_text("utf-8"))
        recipe, data = facts["recipe"], facts["data"]
        splits = tuple(str(split) for split in recipe["train_splits"])
        directory = Path(data["directory"])
        checked = dict(facts.get("checked") or {})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        why = f"run.json of its run does not say what that was on ({error})"
        return Training({}, (), None, why)
    try:
        samples = _opened(directory, splits, recipe)
    except (UserError, ValueError, TypeError) as error:
        why = f"its training data cannot be opened ({error})"
        return Training(checked, splits, None, why)
    return Training(checked, splits, samples)


def same_files(trained: Iterable[Sample], scored: Iterable[Sample]) -> list[str]:
    """Names of the scored samples whose picture is one of the training.

    Of samples that are no files nothing is known. Only files of the same length are
    read, and mostly their beginning alone.
    """
    by_place, by_length = set(), {}
    for sample in trained:
        length = _length(sample)
        if length is not None:
            by_place.add(os.path.realpath(sample.image_source))
            by_length.setdefault(length, []).append(sample.image_source)
    heads: dict[Any, dict[bytes, list]] = {}
    found = []
    for sample in scored:
        length = _length(sample)
        if os.path.realpath(sample.image_source) in by_place:
            found.append(sample.name)
        elif length in by_length:
            if length not in heads:
                heads[length] = {}
                for path in by_length[length]:
                    digest = _digest(path, _HEAD)
                    heads[length].setdefault(digest, []).append(path)
            alike = heads[length].get(_digest(sample.image_source, _HEAD), ())
            if alike and _digest(sample.image_source) in map(_digest, alike):
                found.append(sample.name)
    return found


def _opened(directory: Path, splits: Sequence[str], recipe: dict) -> Dataset:
    labels = str(recipe.get("read_labels") or "")
    data = join([open_dataset(directory, split, labels=labels) for split in splits])
    share = recipe.get("split_val") or 0
    return hold_back(data, share, "val")[0] if share else data


def _is_a_split(training: Training, data: Dataset) -> bool:
    """Whether the data are, by their fingerprint, a split that was trained on."""
    marks = {training.checked.get(split) for split in training.splits} - {None}
    return bool(marks) and fingerprint(data) in marks


def _nearly_same(trained: Dataset, scored: Dataset) -> list[str]:
    hash_of = duplicates.hasher()
    if hash_of is None:
        raise UserError(f"{duplicates.MISSING}, or leave out --near-leak.")

    def of(sample: Sample) -> int | None:
        with open_header(BytesIO(sample.image_bytes())) as picture:
            return hash_of(np.asarray(picture.convert("RGB")))

    with ThreadPoolExecutor() as pool:
        sides = [
            (
                f"{name} ({dataset.split})",
                [sample.name for sample in dataset.samples],
                list(pool.map(of, dataset.samples)),
            )
            for name, dataset in (("the training", trained), (scored.name, scored))
        ]
    return duplicates.notes(sides)


def _folder(model: str | Path) -> Path:
    path = Path(model)
    return path if path.is_dir() else path.parent


def _length(sample: Sample) -> int | None:
    try:
        return os.stat(sample.image_source).st_size
    except (OSError, ValueError):
        return None


def _digest(path: str | Path, count: int = -1) -> bytes:
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read(count)).digest()
    except OSError:  # scoring it says what is wrong with it
        return os.fsencode(path)
