"""Train a recipe on a folder of data: `model.fit` between two resumable states.

Everything that decides the next step follows from latest.keras and the recipe: the
optimizer's step counter gives the epoch, the position in the stream of samples and
the state of the dropout. Nothing else has to be saved, or can be forgotten.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
from keras import ops

import recipes
from hyperseg_tf.base.progress import ending_bars, say
from hyperseg_tf.base.versions import versions
from hyperseg_tf.training.callbacks import callbacks
from hyperseg_tf.training.devices import scope
from hyperseg_tf.training.model import Build, build_model, compile_model, label_model
from hyperseg_tf.training.run_folder import RunFolder
from hyperseg_tf.training.state import Interruption, Position
from hyperseg_tf.training.task import Task
from recipes import Recipe


@dataclass(frozen=True)
class TrainResult:
    """What a finished run left behind.

    Args:
        model: Path of the best epoch's model.
        best_epoch: Its number, from 1.
        best_miou: Its mIoU on the evaluation split, 0..1.
        epochs: Epochs trained, earlier parts of the run included.
        weights: What the network started from.
        log: Rows of log.csv.
    """

    model: Path
    best_epoch: int
    best_miou: float
    epochs: int
    weights: str
    log: tuple[dict[str, float], ...]


@ending_bars()
def train(
    recipe: Recipe | str,
    data: str | Path,
    out: str | Path,
    *,
    weights: str | None = None,
    resume: bool = True,
    epochs: int | None = None,
    devices: int | Sequence[str] | None = None,
    progress: bool | None = None,
    _build_model: Build | None = None,
) -> TrainResult:
    """Train, validate after each epoch and keep the best model.

    A run that was stopped, by Ctrl-C, a kill or a power cut, goes on where it was
    saved last when called again with the same arguments; on a CPU it then ends with
    the very weights of an uninterrupted run. Seeds Keras' global generators.

    Args:
        recipe: A recipe, or the name of one.
        data: Folder of the data; every file is checked before anything is written.
        out: Folder of the run: model.keras (best epoch), latest.keras, run.json,
            log.csv, curve.png, overlays/, tensorboard/.
        weights: Replaces the recipe's: "imagenet", "imagenet-or-random" or a path.
        resume: False discards the run that `out` holds and starts again.
        epochs: Replaces the recipe's; the learning rate still decays to zero.
        devices: Devices that share each batch: a number of GPUs, or names such as
            "gpu:0". None takes all GPUs where there are several.
        progress: Show a bar over the steps of an epoch; None asks the terminal.

    Raises:
        UserError: Unsound data, an `out` that holds another run, is in use or
            cannot be written, weights that cannot be had, a loss that is not finite.
        KeyboardInterrupt: Ctrl-C; the state is saved.
    """
    recipe = _resolve(recipe, weights, epochs)
    task = Task.open(recipe, Path(data))
    folder = RunFolder(Path(out))
    facts = {**task.facts(), "weights": None, "best": None, "versions": versions()}
    with folder.locked():
        old = folder.resumable(facts) if resume else None
        task.require()
        if resume:
            folder.discard_leftovers()
        else:
            folder.discard()
        keras.utils.set_random_seed(recipe.seed)
        with scope(devices):
            start = recipe if old is None else replace(recipe, weights=None)
            model, facts["weights"] = build_model(start, len(task.names), _build_model)
            compile_model(model, recipe)
        if old is not None:
            model.load_weights(folder.latest)
            facts |= {name: old[name] for name in ("best", "weights") if name in old}
        label_model(model, task, facts)
        step = int(ops.convert_to_numpy(model.optimizer.iterations))
        position = Position(step, recipe.steps_per_epoch)
        say(_opening(recipe, facts, position))
        folder.write_facts(facts)
        if position.step < recipe.epochs * recipe.steps_per_epoch:
            bar = sys.stderr.isatty() if progress is None else progress
            _fit(model, task, folder, facts, position, bar)
        else:
            say(f"all {recipe.epochs} epochs are done; --fresh starts again")
        rows = folder.read_log()
    best = facts["best"]
    return TrainResult(
        model=folder.best,
        best_epoch=best["epoch"],
        best_miou=best["val_miou"],
        epochs=position.step // recipe.steps_per_epoch,
        weights=facts["weights"],
        log=tuple(rows),
    )


def _fit(
    model: keras.Model,
    task: Task,
    folder: RunFolder,
    facts: dict[str, Any],
    position: Position,
    bar: bool,
) -> None:
    """Train from `position` to the recipe's end."""
    around = callbacks(model, task, folder, facts, position, bar)
    # Keras prints to stdout, which is for results.
    with Interruption(position, folder) as last, redirect_stdout(sys.stderr):
        for first, end, steps in _spans(position, task.recipe):
            model.fit(
                task.train_batches(position.step),
                initial_epoch=first,
                epochs=end,
                steps_per_epoch=steps,
                callbacks=[*around, last],
                shuffle=False,  # the stream is already; True would warn
                verbose=0,
            )


def _spans(position: Position, recipe: Recipe) -> Iterator[tuple[int, int, int]]:
    """First epoch, the one after the last, and steps per epoch of each `fit`.

    The rest of an epoch is a `fit` of its own: Keras knows one length of epochs.
    """
    epoch, done = divmod(position.step, recipe.steps_per_epoch)
    if done:
        yield epoch, epoch + 1, recipe.steps_per_epoch - done
        epoch += 1
    if epoch < recipe.epochs:
        yield epoch, recipe.epochs, recipe.steps_per_epoch


def _resolve(recipe: Recipe | str, weights: str | None, epochs: int | None) -> Recipe:
    if isinstance(recipe, str):
        recipe = recipes.get(recipe)
    if weights is not None:
        recipe = replace(recipe, weights=str(weights))
    return recipe if epochs is None else replace(recipe, epochs=epochs)


def _opening(recipe: Recipe, facts: dict[str, Any], position: Position) -> str:
    data = facts["data"]
    start = ""
    if 0 < position.step < recipe.epochs * recipe.steps_per_epoch:
        epoch = position.step // recipe.steps_per_epoch + 1
        start = f"; resuming at step {position.step} (epoch {epoch})"
    return (
        f"{recipe.preset}: {data['train_samples']} training and "
        f"{data['evaluate_samples']} validation samples, {len(data['classes'])} "
        f"classes, {recipe.epochs} epochs of {recipe.steps_per_epoch} steps; "
        f"initial weights: {facts['weights']}{start}"
    )
