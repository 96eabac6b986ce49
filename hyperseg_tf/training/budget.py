"""Fit a recipe to the time there is: measured on this machine, with these pictures.

A network learns little from a few hundred crops, however large they are. So the crops
become smaller first, then the batches and the network, until there are enough of them;
what is left over makes the run longer, up to the recipe's own length. The rate decays
over what the run then has. (time per crop is linear in its area: docs/results/
scaling_cpu.md)
"""

import io
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.picture_file import BadPicture, header_size, open_header
from hyperseg_tf.base.progress import say
from hyperseg_tf.pipelines import RandomCrop
from hyperseg_tf.recipes import Recipe
from hyperseg_tf.training.again import recorded
from hyperseg_tf.training.logs import FORWARD
from hyperseg_tf.training.model import build_model, compile_model
from hyperseg_tf.training.run_folder import RunFolder
from hyperseg_tf.training.task import Task

# Crops that a network from ImageNet needs to begin with classes of one's own.
ENOUGH = 2400
# Sides of crops are multiples, and at least so long.
_MULTIPLE, _SMALLEST = 32, 192
# Of the time: for the steps, the rest is for validations and what cannot be foreseen.
_STEPS = 0.8
_VALIDATIONS = (3, 8)
_LEAST_STEPS = 200
# Network for where even the smallest crops of the recipe's take too long, and the time
# of a crop in it over that in HyperSeg-S on Lite1 or B1.
SMALL = "hyperseg_s_lite0"
_SMALL_COST = 0.85


@dataclass(frozen=True)
class Measured:
    """What a training step takes here.

    Attributes:
        seconds: Of a sample in a step, of the recipe's crop.
        starting: Seconds until the first step was done.
    """

    seconds: float
    starting: float


def fit(recipe: Recipe, measured: Measured, seconds: float, validation: float):
    """Change a recipe so that it takes so long.

    Args:
        recipe: Has one `RandomCrop`.
        measured: Of its steps.
        seconds: For all of the run.
        validation: Pixels of all validation pictures over those of a crop.

    Returns:
        The changed fields by name: `preset`, `batch_size`, `epochs`,
        `samples_per_epoch`, and (height, width) as `crop`; what stays is in it, too.

    Raises:
        UserError: Not even a few steps fit.
    """
    crop = _crop_of(recipe)
    left = seconds - 2 * measured.starting
    preset, cost = recipe.preset, measured.seconds
    size = (crop.height, crop.width)
    if _STEPS * left < ENOUGH * cost:
        size = _smaller(size, max(0.0, _STEPS * left / (ENOUGH * cost)))
        cost *= size[0] * size[1] / (crop.height * crop.width)
        if _STEPS * left < ENOUGH * cost and preset not in (SMALL, "hyperseg_tiny"):
            preset, cost = SMALL, _SMALL_COST * cost
    count = int(min(_STEPS * left / cost, recipe.epochs * recipe.samples_per_epoch))
    batch = max(1, min(recipe.batch_size, max(2, count // _LEAST_STEPS)))
    if count < 8 * batch:
        raise UserError(
            f"a run needs time for a few steps: here one sample takes {cost:.1f} s and "
            f"the start {measured.starting:.0f} s, and there are {seconds:.0f} s; give "
            "more."
        )
    # As many validations as there is time for, each behind equally many samples.
    each = FORWARD * measured.seconds * validation
    room = (1 - _STEPS) * left * 0.75
    low, high = _VALIDATIONS
    epochs = max(low, min(high, recipe.epochs, int(room / each) if each else high))
    if low * each > room:
        count = max(8 * batch, int(count - (low * each - room) / cost))
    return {
        "preset": preset,
        "batch_size": batch,
        "epochs": epochs,
        "samples_per_epoch": max(batch, count // epochs),
        "crop": size,
    }


def settings(recipe: Recipe, fitted: dict[str, Any]) -> list[str]:
    """What differs from the recipe, as `name=value` of `replace_from_strings`."""
    height, width = fitted["crop"]
    place = recipe.train.index(_crop_of(recipe))
    crop = _crop_of(recipe)
    found = [
        f"{name}={fitted[name]}"
        for name in ("preset", "batch_size", "epochs", "samples_per_epoch")
        if fitted[name] != getattr(recipe, name)
    ]
    warmup = min(recipe.warmup_steps, _steps(fitted) // 10)
    if warmup != recipe.warmup_steps:
        found.append(f"warmup_steps={warmup}")
    for name, value in (("height", height), ("width", width)):
        if value != getattr(crop, name):
            found.append(f"train.{place}.{name}={value}")
    return found


def measure(
    recipe: Recipe,
    task: Task,
    build: Callable | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Measured:
    """Take a few steps of the recipe on its data, and forget them.

    Args:
        build: As of `train`.

    Raises:
        UserError: As of `train`.
    """
    say("measuring what a step takes here; this takes up to two minutes ...")
    begun = clock()
    model, _ = build_model(recipe, len(task.names), build)
    compile_model(model, recipe)
    stream, ends = task.train_batches(0), []
    with stream.naming(lambda: 0):
        for batch, _ in zip(stream.batches, range(5), strict=False):
            model.train_on_batch(*batch)
            ends.append(clock())
    keras.backend.clear_session()
    steps = [b - a for a, b in zip(ends, ends[1:], strict=False)]
    return Measured(statistics.median(steps) / recipe.batch_size, ends[0] - begun)


def fitted_settings(
    recipe: Recipe, data: str | Path, seconds: float, build: Callable | None = None
) -> list[str]:
    """Measure, and say how a recipe is to be changed to take so long.

    The batches that are measured are of a recipe whose crops are no larger than the
    pictures, as far as these are alike.

    Args:
        recipe: Has one `RandomCrop`.
        data: Folder of the data.
        seconds: For all of the run, from now on.
        build: As of `train`.

    Returns:
        `name=value` of `recipes.replace_from_strings`.

    Raises:
        UserError: The data or the weights cannot be had; the time is too short; the
            recipe cannot be fitted.
    """
    begun = time.perf_counter()
    _crop_of(recipe)
    task = Task.open(recipe, Path(data))
    height, width = _median_size(task)
    bounded = _bounded(recipe, height, width)
    measured = measure(bounded, replace(task, recipe=bounded), build)
    crop = _crop_of(bounded)
    area = len(task.evaluate_set) * height * width / (crop.height * crop.width)
    left = seconds - (time.perf_counter() - begun)
    return settings(recipe, fit(bounded, measured, left, area))


def settings_of_run(recipe: Recipe, out: str | Path) -> list[str]:
    """How a recipe was fitted for the run in a folder, to go on with it.

    Returns:
        As of `fitted_settings`; empty where there is no run.

    Raises:
        UserError: The run's run.json is damaged.
    """
    if RunFolder(Path(out)).read_facts() is None:
        return []
    was = recorded(out).recipe
    crop = _crop_of(was)
    fields = ("preset", "batch_size", "epochs", "samples_per_epoch")
    fitted = {name: getattr(was, name) for name in fields}
    return settings(recipe, {**fitted, "crop": (crop.height, crop.width)})


def _crop_of(recipe: Recipe) -> RandomCrop:
    crops = [t for t in recipe.train if isinstance(t, RandomCrop)]
    if len(crops) != 1 or recipe.prune.sparsity:
        raise UserError(
            "a recipe is fitted to a time by its one RandomCrop, and without pruning: "
            f"got {len(crops)} of it; leave out --time, --finish-by shortens any run."
        )
    return crops[0]


def _bounded(recipe: Recipe, height: int, width: int) -> Recipe:
    """Crops no larger than the pictures, in whole steps of what networks divide by."""
    crop = _crop_of(recipe)
    sides = [
        min(own, max(_SMALLEST, -(-side // _MULTIPLE) * _MULTIPLE))
        for own, side in ((crop.height, height), (crop.width, width))
    ]
    changed = replace(crop, height=sides[0], width=sides[1])
    return replace(
        recipe, train=tuple(changed if t is crop else t for t in recipe.train)
    )


def _smaller(size: tuple[int, int], share: float) -> tuple[int, int]:
    """Sides for so much of the area, in whole steps, not below the smallest."""
    smaller = [int(side * share**0.5) // _MULTIPLE * _MULTIPLE for side in size]
    return tuple(
        min(side, max(_SMALLEST, new)) for side, new in zip(size, smaller, strict=True)
    )


def _median_size(task: Task) -> tuple[int, int]:
    """Height and width in the middle of those of some validation pictures."""
    chosen = task.evaluate_set
    step = max(1, len(chosen) // 9)
    sizes = []
    for i in range(0, len(chosen), step):
        try:
            sizes.append(header_size(open_header(io.BytesIO(chosen[i].image_bytes()))))
        except (BadPicture, OSError) as error:
            raise UserError(
                f"{chosen[i].image_source} cannot be read ({error}); `hyperseg-tf data "
                "check` finds all that is wrong with the data."
            ) from error
    return tuple(round(statistics.median(side)) for side in zip(*sizes, strict=True))


def _steps(fitted: dict[str, Any]) -> int:
    return fitted["epochs"] * (fitted["samples_per_epoch"] // fitted["batch_size"])
