"""Train a recipe on a folder of data: `model.fit` between two resumable states.

Everything that decides the next step follows from latest.keras and the recipe: the
optimizer's step counter gives the epoch, the position in the stream of samples and
the state of the dropout. Nothing else has to be saved, or can be forgotten.
"""

import platform
import sys
from collections.abc import Callable, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

import hyperseg_tf
from hyperseg_tf.base.constants import VOID
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.convert.metadata import after_training
from hyperseg_tf.training import callbacks as parts
from hyperseg_tf.training.callbacks import say
from hyperseg_tf.training.losses import BootstrappedCrossEntropy
from hyperseg_tf.training.run_folder import RunFolder, check_model_file, differences
from hyperseg_tf.training.schedules import PolyDecay

if TYPE_CHECKING:
    from pipelines import Dataset
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


def train(
    recipe: "Recipe | str",
    data: str | Path,
    out: str | Path,
    *,
    weights: str | None = None,
    resume: bool = True,
    epochs: int | None = None,
    devices: int | Sequence[str] | None = None,
    progress: bool | None = None,
    _build_model: Callable[..., keras.Model] | None = None,
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
        progress: Show a bar per epoch instead of a line; None asks the terminal.

    Raises:
        UserError: Unsound data, an `out` that holds another run, weights that
            cannot be had, a loss that is not finite.
        KeyboardInterrupt: Ctrl-C; the state is saved.
    """
    recipe = _resolve(recipe, weights, epochs)
    folder = RunFolder(Path(out))
    train_set, evaluate_set = _open_data(recipe, Path(data))
    facts = _describe(recipe, train_set, evaluate_set)
    old = _check_out(folder, facts, resume)
    for dataset in (train_set, evaluate_set):
        _pipelines().require(dataset)

    with _lock(folder):
        if not resume:
            folder.discard()
        folder.discard_leftovers()
        resuming = old is not None and folder.latest.exists()
        if resuming:
            check_model_file(folder.latest)
        keras.utils.set_random_seed(recipe.seed)
        names, colours = _classes(recipe, train_set)
        with _scope(devices):
            model, source = _build(
                _build_model or _build_hyperseg,
                recipe if not resuming else replace(recipe, weights=None),
                len(names),
            )
            _set_momentum(model, recipe.norm_momentum)
            schedule = _compile(model, recipe)
        if resuming:
            model.load_weights(folder.latest)
            facts |= {name: old[name] for name in ("best", "weights") if name in old}
        else:
            facts["weights"] = source
        _set_metadata(model, recipe, names, colours, facts)
        position = parts.Position(_iterations(model), recipe.steps_per_epoch)
        say(_opening(recipe, facts, position, resuming))
        folder.write_facts(facts)
        log = parts.CsvLog(folder, position)
        if position.step < recipe.epochs * recipe.steps_per_epoch:
            display = sys.stderr.isatty() if progress is None else progress
            callbacks = _callbacks(
                model,
                recipe,
                folder,
                facts,
                log,
                position,
                schedule,
                evaluate_set,
                display,
            )
            _fit(model, recipe, position, train_set, callbacks)
        else:
            say(f"all {recipe.epochs} epochs are done; --fresh starts again")
    best = facts["best"]
    return TrainResult(
        model=folder.best,
        best_epoch=best["epoch"],
        best_miou=best["val_miou"],
        epochs=position.step // recipe.steps_per_epoch,
        weights=facts["weights"],
        log=tuple(log.rows),
    )


def _fit(model, recipe: "Recipe", position, train_set, callbacks) -> None:
    """Train from `position` to the recipe's end."""
    epoch, done = divmod(position.step, recipe.steps_per_epoch)
    # The rest of an epoch is a `fit` of its own: Keras knows one length of epochs.
    spans = [(epoch, epoch + 1, recipe.steps_per_epoch - done)] if done else []
    first_whole = epoch + bool(done)
    if first_whole < recipe.epochs:
        spans.append((first_whole, recipe.epochs, recipe.steps_per_epoch))
    interruption = callbacks[-1]
    with interruption, redirect_stdout(sys.stderr):
        for first, end, steps in spans:
            stream = _pipelines().batches(
                train_set,
                _transforms(recipe, recipe.train, train_set),
                batch_size=recipe.batch_size,
                seed=recipe.seed,
                start=position.step * recipe.batch_size,
                cache=recipe.cache,
            )
            model.fit(
                stream,
                initial_epoch=first,
                epochs=end,
                steps_per_epoch=steps,
                callbacks=callbacks,
                shuffle=False,  # the stream is already; True would warn
                verbose=0,
            )


def _callbacks(
    model, recipe: "Recipe", folder, facts, log, position, schedule, dataset, bar
) -> list[keras.callbacks.Callback]:
    """Everything around the steps, in the order in which it happens."""
    twin = type(model).from_config(model.get_config())
    _copy_metadata(model, twin)
    names, _ = _classes(recipe, dataset)
    validation = parts.Validation(
        twin, _evaluation_batches(recipe, dataset), _loss(recipe), names
    )
    overlays = _overlays(recipe, folder, dataset, validation.predict)
    has_matplotlib = _available("matplotlib", "curve.png")
    has_tensorboard = _available("tensorboard", "tensorboard/")
    latest = parts.SaveLatest(folder)
    listed = [
        position,
        parts.Announce(),
        parts.DropoutSeeds(recipe.seed, position),
        parts.FiniteLoss(position, folder),
        keras.callbacks.ProgbarLogger() if bar else None,
        validation,
        parts.Measure(position, schedule, recipe.batch_size),
        parts.EpochLine(recipe.epochs),
        parts.SaveBest(folder, facts, twin),
        log,
        parts.Curve(log, folder) if has_matplotlib else None,
        overlays,
        parts.TensorBoardLog(folder, overlays) if has_tensorboard else None,
        latest,
        parts.Interruption(position, latest),
    ]
    return [callback for callback in listed if callback is not None]


def _resolve(recipe, weights: str | None, epochs: int | None) -> "Recipe":
    if isinstance(recipe, str):
        import recipes

        recipe = recipes.get(recipe)
    if weights is not None:
        recipe = replace(recipe, weights=str(weights))
    return recipe if epochs is None else replace(recipe, epochs=epochs)


def _pipelines():
    """The data package; imported late, since it loads TensorFlow."""
    import pipelines

    return pipelines


def _open_data(recipe: "Recipe", data: Path) -> "tuple[Dataset, Dataset]":
    pipelines = _pipelines()
    opened = [pipelines.open_dataset(data, split) for split in recipe.train_splits]
    evaluate_set = pipelines.open_dataset(data, recipe.evaluate_split)
    return pipelines.join(opened), evaluate_set


def _classes(recipe: "Recipe", dataset: "Dataset"):
    """Names and colours of what the network tells apart, in order."""
    names, colours = dataset.classes.names, dataset.classes.colours
    if recipe.void_is_class:
        return (*names, "void"), (*colours, (0, 0, 0))
    return names, colours


def _transforms(recipe: "Recipe", transforms, dataset: "Dataset"):
    """The transforms of a recipe, behind what its classes need."""
    if not recipe.void_is_class:
        return transforms
    return (_pipelines().VoidToClass(len(dataset.classes)), *transforms)


def _evaluation_batches(recipe: "Recipe", dataset: "Dataset"):
    return _pipelines().batches(
        dataset,
        _transforms(recipe, recipe.evaluate, dataset),
        batch_size=recipe.evaluate_batch_size,
        seed=recipe.seed,
        count=len(dataset),
        shuffle=False,
        drop_remainder=False,
        cache=recipe.cache,
    )


def _describe(recipe: "Recipe", train_set, evaluate_set) -> dict[str, Any]:
    import tensorflow as tf

    return {
        "recipe": recipe.as_data(),
        "data": {
            "directory": str(train_set.directory),
            "train_samples": len(train_set),
            "evaluate_samples": len(evaluate_set),
            "classes": list(_classes(recipe, train_set)[0]),
        },
        "weights": None,
        "best": None,
        "versions": {
            "hyperseg_tf": hyperseg_tf.__version__,
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }


def _check_out(folder: RunFolder, facts, resume: bool) -> dict[str, Any] | None:
    """Return the facts of the run to go on with, or None to start one."""
    if folder.path.exists() and not folder.path.is_dir():
        raise UserError(
            f"a run is a folder: {folder.path} is a file; name another --out."
        )
    if not resume:
        return None
    old = folder.read_facts()
    if old is None:
        for path in (folder.best, folder.latest, folder.log):
            if path.exists():
                raise UserError(
                    f"a run has a run.json: {folder.path} holds {path.name} without "
                    "one; name another --out, or discard it with --fresh."
                )
        return None
    found = differences(old, facts)
    if found:
        raise UserError(
            f"a run goes on with the recipe and data it started with: {folder.path} "
            f"has {'; '.join(found)}; name another --out, or discard that run with "
            "--fresh."
        )
    return old


def _build_hyperseg(preset: str, num_classes: int, weights: str | None) -> keras.Model:
    from hyperseg_tf.network.model import HyperSeg

    return HyperSeg.from_preset(preset, num_classes=num_classes, weights=weights)


def _build(build, recipe: "Recipe", num_classes: int) -> tuple[keras.Model, str]:
    """Return the model and a word on where its weights are from."""
    weights = recipe.weights
    if weights != "imagenet-or-random":
        return build(recipe.preset, num_classes, weights), weights or "random"
    try:
        return build(recipe.preset, num_classes, "imagenet"), "imagenet"
    except (UserError, OSError) as error:
        say(f"ImageNet weights cannot be had, STARTING FROM RANDOM ONES: {error}")
        keras.utils.set_random_seed(recipe.seed)
        return build(recipe.preset, num_classes, None), "random"


def _set_momentum(model: keras.Model, momentum: float | None) -> None:
    if momentum is None:
        return
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = momentum


def _loss(recipe: "Recipe") -> keras.losses.Loss:
    if recipe.loss == "bootstrapped":
        return BootstrappedCrossEntropy(recipe.loss_k, recipe.loss_threshold)
    return keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, ignore_class=VOID
    )


def _compile(model: keras.Model, recipe: "Recipe") -> PolyDecay:
    """Compile the model and return its learning rate's schedule."""
    schedule = PolyDecay(
        recipe.learning_rate,
        recipe.power,
        recipe.epochs * recipe.steps_per_epoch,
        every=recipe.steps_per_epoch if recipe.decay == "epoch" else 1,
    )
    beta_1, beta_2 = recipe.betas
    optimizer = keras.optimizers.Adam(
        schedule, beta_1=beta_1, beta_2=beta_2, epsilon=recipe.epsilon
    )
    # XLA is slow at ordinary convolutions on a CPU and fails under a strategy; the
    # layers that gain from it compile themselves.
    model.compile(optimizer, _loss(recipe), jit_compile=False)
    optimizer.build(model.trainable_variables)
    return schedule


def _iterations(model: keras.Model) -> int:
    return int(ops.convert_to_numpy(model.optimizer.iterations))


def _set_metadata(model, recipe: "Recipe", names, colours, facts) -> None:
    if hasattr(model, "set_metadata"):
        model.set_metadata(
            {
                **after_training(model.metadata),
                "classes": list(names),
                "colours": [list(colour) for colour in colours],
                "trained_on": Path(facts["data"]["directory"]).name,
                "protocol": recipe.protocol,
                "recipe": facts["recipe"],
                "weights": facts["weights"],
            }
        )


def _copy_metadata(model, twin) -> None:
    if hasattr(model, "set_metadata"):
        twin.set_metadata(model.metadata)


def _overlays(
    recipe: "Recipe", folder: RunFolder, dataset, predict
) -> parts.Overlays | None:
    count = min(recipe.overlays, len(dataset))
    if count < 1:
        return None
    chosen = np.linspace(0, len(dataset) - 1, count).round().astype(int)
    shown = replace(dataset, pairs=tuple(dataset.pairs[i] for i in chosen))
    batches = _evaluation_batches(replace(recipe, evaluate_batch_size=1), shown)
    samples = [(image[0].numpy(), label[0].numpy()) for image, label in batches]
    names, colours = _classes(recipe, dataset)
    return parts.Overlays(folder, predict, samples, names, colours)


def _available(package: str, what: str) -> bool:
    import importlib.util

    found = importlib.util.find_spec(package) is not None
    if not found:
        say(f"{package} is not installed: no {what}")
    return found


def _opening(recipe: "Recipe", facts, position: parts.Position, resuming: bool) -> str:
    data = facts["data"]
    start = ""
    if resuming and position.step < recipe.epochs * recipe.steps_per_epoch:
        start = f"; resuming at step {position.step} (epoch {_epoch(position)})"
    return (
        f"{recipe.preset}: {data['train_samples']} training and "
        f"{data['evaluate_samples']} validation samples, {len(data['classes'])} "
        f"classes, {recipe.epochs} epochs of {recipe.steps_per_epoch} steps; "
        f"initial weights: {facts['weights']}{start}"
    )


def _epoch(position: parts.Position) -> int:
    return position.step // position.steps_per_epoch + 1


@contextmanager
def _lock(folder: RunFolder):
    """Hold the folder while training; the lock of a killed run is gone with it."""
    folder.path.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with (folder.path / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"one training writes to a run at a time: {folder.path} is in use; "
                "wait for it or name another --out."
            ) from None
        yield


def _scope(devices: int | Sequence[str] | None):
    """Scope in which variables live on every one of several devices."""
    import tensorflow as tf

    gpus = [f"gpu:{i}" for i in range(len(tf.config.list_logical_devices("GPU")))]
    if devices is None:
        names = gpus
    elif isinstance(devices, int):
        if devices > max(len(gpus), 1):
            raise UserError(
                f"a run uses the GPUs there are: {devices} asked for, {len(gpus)} "
                "found; lower --devices."
            )
        names = gpus[:devices]
    else:
        names = list(devices)
    if len(names) < 2:
        return tf.device(names[0]) if devices and names else nullcontext()
    # The default reduction of CPUs cannot serve two strategies in one process.
    on_cpu = any("cpu" in name.lower() for name in names)
    reduction = tf.distribute.ReductionToOneDevice() if on_cpu else None
    return tf.distribute.MirroredStrategy(names, cross_device_ops=reduction).scope()
