"""Train a recipe on a folder of data: `model.fit` between two resumable states.

Everything that decides the next step follows from latest.keras and the recipe: the
optimizer's step counter gives the epoch, the position in the stream of samples and
the state of the dropout. What is told of an epoch's loss apart, nothing else has to be
saved, or can be forgotten.
"""

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import keras

from hyperseg_tf import recipes
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.progress import ending_bars, say
from hyperseg_tf.base.versions import versions
from hyperseg_tf.network.model_file import restore
from hyperseg_tf.pipelines import Waiting
from hyperseg_tf.recipes import Recipe
from hyperseg_tf.training import class_weights, processes
from hyperseg_tf.training.callbacks import callbacks
from hyperseg_tf.training.deadline import Replanned
from hyperseg_tf.training.devices import (
    leave_gpus_to_jax,
    make_deterministic,
    on_gpu,
    require_even,
    run_scope,
    scope,
    several,
)
from hyperseg_tf.training.environment import environment
from hyperseg_tf.training.failures import lost_process_in_words, memory_in_words
from hyperseg_tf.training.model import (
    Build,
    build_model,
    change_rate,
    check_start,
    compile_model,
    label_model,
    take_bytes,
)
from hyperseg_tf.training.optimizer import steps_of
from hyperseg_tf.training.plan import PLAN, Plan, changed
from hyperseg_tf.training.pruning import pruning_of
from hyperseg_tf.training.run_folder import RunFolder
from hyperseg_tf.training.saving import PARTIAL, SAVE_EVERY_MINUTES
from hyperseg_tf.training.scores import patience_is_over
from hyperseg_tf.training.shared_run import (
    require_no_clock,
    require_same,
    tell_first_samples,
)
from hyperseg_tf.training.state import Interruption, Position
from hyperseg_tf.training.task import Task

# What run.json says of the run so far.
_KEPT = ("best", "weights", PARTIAL)


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
        sparsity: Share of zeros in the pruned kernels of the last epoch, 0..1; None
            of a run that does not prune.
    """

    model: Path
    best_epoch: int
    best_miou: float
    epochs: int
    weights: str
    log: tuple[dict[str, float], ...]
    sparsity: float | None = None


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
    feed_bytes: bool | None = None,
    save_every: float = SAVE_EVERY_MINUTES,
    anneal: int | None = None,
    extend: int | None = None,
    finish_by: datetime | None = None,
    deterministic: bool = False,
    process: processes.Processes | None = None,
    build: Build | None = None,
) -> TrainResult:
    """Train, validate after each epoch and keep the best model.

    A run that was stopped, by Ctrl-C, a kill or a power cut, goes on where it was
    saved last when called again with the same arguments; on a CPU it then ends with
    the very weights of an uninterrupted run. Seeds Keras' global generators.

    Args:
        recipe: A recipe, or the name of one.
        data: Folder of the data; every file is checked before anything is written.
        out: Folder of the run: model.keras (best epoch), latest.keras, run.json,
            log.csv, curve.png, overlays/, tensorboard/; with pruning sparsity.json
            and sparsity.txt, how sparse model.keras is.
        weights: Replaces the recipe's: "imagenet", "imagenet-or-random" or a path.
        resume: False discards the run that `out` holds and starts again.
        epochs: Replaces the recipe's; the learning rate still decays to zero.
        devices: Devices that share each batch: a number of GPUs, or names such as
            "gpu:0". None takes all GPUs where there are several.
        progress: Show a bar over the steps of an epoch; None asks the terminal.
        feed_bytes: Training images go to the device as bytes and are normalised
            there; None does so on a GPU, unless a transform follows `Normalise`.
        save_every: Minutes between two saved states within an epoch, at least 0; there
            is one after each epoch in any case.
        anneal: End the run so many steps from where it is, the learning rate falling
            to zero from what it is there.
        extend: Epochs of the whole run, more than it has: its rate is that of a run
            which was this long from the beginning, from here on.
        finish_by: Shorten the run, as `anneal` does, where it would not be ready by
            then; local time.
        deterministic: Two runs on the same machine end with the same bits, on a GPU,
            too; see `devices.make_deterministic`.
        process: Which of several processes, that share each batch, this one is: JAX
            only, and before anything was computed with it.
        build: Makes the network of (preset, number of classes, weights), in place of
            `HyperSeg`: from images (B, H, W, 3), normalised, to logits.

    Raises:
        UserError: Unsound data, at the start or later, an `out` that holds another
            run, is in use or cannot be written, weights that cannot be had, a loss that
            is not finite, too little memory, pruning without the toolkit for it.
        OSError: A file of the run cannot be written, as on a full disk; what was saved
            before is as it was.
        KeyboardInterrupt: Ctrl-C; the state is saved. A `base.stopping.Stopped` in a
            command, or a `stopping.stoppable()`, that gets SIGTERM or SIGHUP.
    """
    if not save_every >= 0:
        raise UserError(f"save_every must be at least 0 minutes: got {save_every}.")
    recipe = _resolve(recipe, weights, epochs)
    if finish_by is not None and finish_by <= datetime.now():
        raise UserError(f"a time to finish by lies ahead: {finish_by:%F %T} is over.")
    leave_gpus_to_jax()
    if process is not None:
        process.start()
    if deterministic:
        make_deterministic()
    require_no_clock(finish_by)
    pruning_of(recipe)  # says what is missing before the data are read
    with processes.together():
        task = Task.open(recipe, Path(data))
        sharing = run_scope(devices)
    folder = RunFolder(Path(out))
    facts = {**task.facts(), "weights": None, "best": None}
    backend = keras.backend.backend()
    facts["versions"] = versions(*({backend} - {"tensorflow"}))
    facts["environment"] = environment()
    with folder.locked(), sharing:
        with processes.together():
            require_even(recipe.batch_size)
            old = folder.resumable(facts) if resume else None
            if old is None and build is None:
                check_start(recipe)
            facts["class_pixels"] = dict((old or {}).get("class_pixels") or {})
            facts["checked"] = task.require(
                old and old.get("checked"), facts["class_pixels"]
            )
            weights_of_classes = class_weights.of_run(task, facts["class_pixels"])
        plan = Plan.of(recipe, old)
        keras.utils.set_random_seed(recipe.seed)
        with scope(devices):
            start = recipe if old is None else replace(recipe, weights=None)
            model, facts["weights"] = build_model(start, len(task.names), build)
            compile_model(model, recipe, weights_of_classes, plan.schedule())
        if old is not None:
            restore(model, folder.latest)
            facts |= {name: old[name] for name in _KEPT if name in old}
        label_model(model, task, facts)
        step = steps_of(model.optimizer)
        plan = changed(plan, step, anneal, extend)
        change_rate(model, plan.schedule())
        facts[PLAN] = plan.as_data()
        position = Position(step, plan)
        with processes.together():
            # Not before all that can be refused is known to be right.
            if resume:
                folder.discard_leftovers()
            else:
                folder.discard()
        say(_opening(recipe, facts, position))
        folder.write_facts(facts)
        require_same(folder, facts, step)
        position.over = patience_is_over(recipe, facts, position)
        if position.step < plan.until and not position.over:
            bar = sys.stderr.isatty() if progress is None else progress
            pruning = pruning_of(recipe, step)
            if feed_bytes is None:
                feed_bytes = on_gpu() and task.can_feed_bytes
            if feed_bytes:
                take_bytes(model)
            with memory_in_words(recipe, folder), lost_process_in_words(folder):
                # Several devices have their batches fetched for them, ahead of it.
                # Clocks are not deterministic, and TensorFlow refuses them there.
                counted = not several(model) and not deterministic
                waiting = Waiting() if counted else None
                waited = waiting and (lambda: waiting.seconds)
                options = (bar, pruning, waited, save_every, finish_by)
                around = callbacks(model, task, folder, facts, position, *options)
                _fit(model, task, position, around, waiting, feed_bytes)
        else:
            say(_over(recipe, position))
        with processes.together():
            pass  # The first one has written everything.
        rows = folder.read_log()
    best = facts["best"]
    return TrainResult(
        model=folder.best,
        best_epoch=best["epoch"],
        best_miou=best["val_miou"],
        epochs=position.plan.done(position.step),
        weights=facts["weights"],
        log=tuple(rows),
        sparsity=rows[-1].get("sparsity") if recipe.prune.sparsity else None,
    )


def _fit(
    model: keras.Model,
    task: Task,
    position: Position,
    around: list[keras.callbacks.Callback],
    waiting: Waiting | None,
    feed_bytes: bool,
) -> None:
    """Train from `position` to the end of its plan."""
    *_, saving = around
    tell_first_samples(task, position.step)
    # Keras prints to stdout, which is for results.
    with Interruption(position, saving.save) as last, redirect_stdout(sys.stderr):
        while position.step < position.plan.until and not position.over:
            first, end, steps = next(position.plan.spans(position.step))
            start = position.step
            stream = task.train_batches(start, feed_bytes)
            with (
                stream.naming(lambda start=start: position.step - start),
                suppress(Replanned),
            ):
                model.fit(
                    waiting.around(stream.batches) if waiting else stream.batches,
                    initial_epoch=first,
                    epochs=end,
                    steps_per_epoch=steps,
                    callbacks=[*around, last],
                    shuffle=False,  # the stream is already; True would warn
                    verbose=0,
                )


def _over(recipe: Recipe, position: Position) -> str:
    if position.over:
        return (
            f"{recipe.patience} epochs were no better, and the run is over; --fresh "
            "starts again"
        )
    return (
        f"all {position.plan.epochs} epochs are done; --extend makes the run longer, "
        "--fresh starts again"
    )


def _resolve(recipe: Recipe | str, weights: str | None, epochs: int | None) -> Recipe:
    if isinstance(recipe, str):
        recipe = recipes.get(recipe)
    if weights is not None:
        recipe = replace(recipe, weights=str(weights))
    return recipe if epochs is None else replace(recipe, epochs=epochs)


def _opening(recipe: Recipe, facts: dict[str, Any], position: Position) -> str:
    data = facts["data"]
    start = ""
    plan = position.plan
    if 0 < position.step < plan.until:
        epoch = plan.done(position.step) + 1
        start = f"; resuming at step {position.step} (epoch {epoch})"
    return (
        f"{recipe.preset}: {data['train_samples']} training and "
        f"{data['evaluate_samples']} validation samples, {len(data['classes'])} "
        f"classes, {plan.epochs} epochs of {recipe.steps_per_epoch} steps; "
        f"initial weights: {facts['weights']}{start}"
    )
