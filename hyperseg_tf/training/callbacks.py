"""What happens around the steps of a training run, in the order in which it does.

Order matters: `Validation` and `Measure` complete the logs that the others read, and
`SaveLatest` comes last, since its file declares the epoch done.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import keras

from hyperseg_tf.base.progress import say
from hyperseg_tf.training import logs, processes, scores, state
from hyperseg_tf.training.deadline import Deadline
from hyperseg_tf.training.devices import alone
from hyperseg_tf.training.model import twin_of
from hyperseg_tf.training.overlays import Overlays
from hyperseg_tf.training.pruning import Pruning, first_epoch
from hyperseg_tf.training.run_folder import RunFolder
from hyperseg_tf.training.saving import SAVE_EVERY_MINUTES, SaveLatest
from hyperseg_tf.training.seen import describing
from hyperseg_tf.training.task import Task
from hyperseg_tf.training.tensorboard import TensorBoardLog
from hyperseg_tf.visualise import said_of_colours


def callbacks(
    model: keras.Model,
    task: Task,
    folder: RunFolder,
    facts: dict[str, Any],
    position: state.Position,
    bar: bool,
    pruning: Pruning | None = None,
    waited: Callable[[], float] | None = None,
    save_every: float = SAVE_EVERY_MINUTES,
    finish_by: datetime | None = None,
) -> list[keras.callbacks.Callback]:
    """Return all but the one that stops a run on a signal.

    Of several processes the first has those that write.

    Args:
        facts: Of run.json; the best epoch is noted in them.
        bar: Whether a bar shows the steps of an epoch.
        pruning: What is to happen right after each step.
        waited: Seconds waited for batches so far; None where nobody counts them.
        save_every: Minutes between two states within an epoch.
        finish_by: When the run is to be over.
    """
    recipe = task.recipe
    batch = recipe.batch_size
    with alone():
        twin = twin_of(model)
    writes = processes.first()
    validation = scores.Validation(
        twin, task.evaluation_batches(), model.loss, task.names
    )
    saving = SaveLatest(folder, facts, position, save_every)
    log = logs.CsvLog(folder, position)
    samples = task.overlay_samples()
    overlays = Overlays(
        folder,
        validation.predict,
        samples,
        task.overlay_names(),
        task.names,
        task.colours,
    )
    if samples and writes and (said := said_of_colours(task.names, task.colours)):
        say(f"note: {said}")
    measure = logs.Measure(position, batch, waited)
    listed = [
        position,
        pruning,
        logs.Announce(position, len(task.evaluate_set) / batch, finish_by),
        state.DropoutSeeds(recipe.seed, position),
        state.FiniteLoss(position, folder),
        validation,
        measure,
        logs.EpochBar(position) if bar else None,
        logs.EpochLine(position, lambda: measure.remaining, finish_by),
        scores.SaveBest(
            folder, facts, twin, first_epoch(recipe), describing(task, twin)
        ),
        scores.Patience(recipe, facts, position) if recipe.patience else None,
        scores.SaveSparsity(folder, facts, twin) if pruning else None,
        log,
        logs.Curve(log, folder, facts) if writes else None,
        overlays if samples and writes else None,
        TensorBoardLog(
            folder, recipe, position, (lambda: overlays.pictures) if samples else None
        )
        if writes
        else None,
        Deadline(finish_by, position, saving, facts, len(task.evaluate_set) / batch)
        if finish_by
        else None,
        saving,
    ]
    return [callback for callback in listed if callback is not None]
