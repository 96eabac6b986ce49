"""The network of a run, as its recipe wants it: built, compiled and labelled."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule

from hyperseg_tf import presets
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.pixels import normalise
from hyperseg_tf.base.progress import say
from hyperseg_tf.convert import lite
from hyperseg_tf.convert.metadata import after_training
from hyperseg_tf.convert.sources import check_alike, check_source, load_fitting
from hyperseg_tf.network.model import HyperSeg
from hyperseg_tf.network.model_file import file_of, read_preset
from hyperseg_tf.recipes import Recipe
from hyperseg_tf.training.devices import several
from hyperseg_tf.training.losses.of_recipe import loss
from hyperseg_tf.training.optimizer import PartedAdam, ScaledLoss, backbone_places
from hyperseg_tf.training.plan import Plan
from hyperseg_tf.training.task import Task

# (preset, number of classes, weights) -> a network without optimizer.
Build = Callable[[str, int, str | None], keras.Model]


def build_hyperseg(preset: str, num_classes: int, weights: str | None) -> keras.Model:
    """Build what a preset describes.

    Weights of a model for another number of classes are taken as far as they fit.

    Raises:
        UserError: There is none of that name, or the weights cannot be had.
    """
    try:
        presets.get(preset)
    except ValueError as error:
        raise UserError(str(error)) from None
    path = None if weights is None else file_of(weights)
    if path is not None and path.suffix == ".keras" and path.is_file():
        padding = read_preset(path).backbone_padding
        if read_preset(path).num_classes != num_classes:
            model = HyperSeg.from_preset(
                preset, num_classes=num_classes, weights=None, backbone_padding=padding
            )
            say(load_fitting(model, path))
            return model
    return HyperSeg.from_preset(preset, num_classes=num_classes, weights=weights)


def check_start(recipe: Recipe) -> None:
    """Find the architecture and the weights that a recipe names, before the work.

    Raises:
        UserError: There is no such preset or file, or it is for another architecture.
    """
    try:
        preset = presets.get(recipe.preset)
    except ValueError as error:
        raise UserError(str(error)) from None
    if recipe.weights in (None, "imagenet-or-random"):
        return
    path = check_source(recipe.weights)
    if path.suffix == ".keras":
        check_alike(read_preset(path), preset, path)


def build_model(
    recipe: Recipe, num_classes: int, build: Build | None = None
) -> tuple[keras.Model, str]:
    """Return the network and a word on where its weights are from.

    Args:
        build: Instead of `build_hyperseg`.

    Raises:
        UserError: The weights cannot be had, and the recipe names no others.
    """
    build = _with_precision(build or build_hyperseg, recipe.precision)
    if recipe.weights != "imagenet-or-random":
        model = build(recipe.preset, num_classes, recipe.weights)
        source = recipe.weights or "random"
    else:
        try:
            model, source = build(recipe.preset, num_classes, "imagenet"), "imagenet"
        except (UserError, OSError) as error:
            say(f"ImageNet weights cannot be had, STARTING FROM RANDOM ONES: {error}")
            keras.utils.set_random_seed(recipe.seed)
            model, source = build(recipe.preset, num_classes, None), "random"
    _set_momentum(model, recipe.norm_momentum)
    backbone = getattr(getattr(model, "preset", None), "backbone", None)
    if source == "imagenet" and backbone in lite.FILES:
        source = f"imagenet ({lite.described(backbone)})"
    return model, source


def compile_model(
    model: keras.Model,
    recipe: Recipe,
    class_weights: Sequence[float] | None = None,
    rate: LearningRateSchedule | None = None,
) -> None:
    """Give the network its loss and its optimizer, which has its variables then.

    Args:
        class_weights: Of `class_weights.of_run`.
        rate: Of each step; None for the recipe's own.

    Raises:
        UserError: Gradients are to be accumulated on several devices.
    """
    if recipe.accumulate > 1 and several(model):
        raise UserError(
            "gradients are accumulated on one device: got "
            f"accumulate={recipe.accumulate} on several; leave it out and raise "
            "batch_size, which they share, or add --devices 1."
        )
    beta_1, beta_2 = recipe.betas
    average = {"use_ema": True, "ema_momentum": recipe.ema} if recipe.ema else {}
    optimizer = PartedAdam(
        rate or Plan(recipe).schedule(),
        beta_1=beta_1,
        beta_2=beta_2,
        epsilon=recipe.epsilon,
        global_clipnorm=recipe.clip_norm,
        part=backbone_places(model),
        part_rate=recipe.backbone_rate,
        frozen_steps=recipe.frozen_epochs * recipe.steps_per_epoch,
        gradient_accumulation_steps=None
        if recipe.accumulate == 1
        else recipe.accumulate,
        **average,
    )
    if recipe.precision == "mixed_float16":
        optimizer = ScaledLoss(optimizer)
    # TensorFlow's XLA is slow at ordinary convolutions on a CPU and fails under a
    # strategy; the layers that gain from it compile themselves. JAX has nothing else.
    jit = keras.backend.backend() == "jax"
    options = {"jit_compile": jit, "auto_scale_loss": False}
    model.compile(optimizer, loss(recipe, class_weights), **options)
    optimizer.build(model.trainable_variables)


def take_bytes(model: keras.Model) -> None:
    """Let a step normalise images that come as bytes, where the step runs.

    A quarter of the bytes goes to the device; what the network sees is the same.
    """
    step = model.train_step

    def train_step(*args):
        *state, (images, *rest) = args  # JAX hands the state through
        return step(*state, (normalise(ops.cast(images, "float32")), *rest))

    model.train_step = train_step


def change_rate(model: keras.Model, rate: LearningRateSchedule) -> None:
    """Let the next `fit` take its steps at another rate; it is traced again."""
    model.optimizer.learning_rate = rate
    model.train_function = None


def label_model(model: keras.Model, task: Task, facts: dict[str, Any]) -> None:
    """Write into the model what a user of its file must know, if it takes that."""
    if not hasattr(model, "set_metadata"):
        return
    model.set_metadata(
        {
            **after_training(model.metadata),
            "classes": list(task.names),
            "colours": [list(colour) for colour in task.colours],
            "trained_on": Path(facts["data"]["directory"]).name,
            "protocol": task.recipe.protocol,
            "recipe": facts["recipe"],
            "weights": facts["weights"],
        }
    )


def _with_precision(build: Build, precision: str) -> Build:
    """Let what is built compute in a precision; its weights are float32."""

    def built(*args):
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(precision)
        try:
            return build(*args)
        finally:
            keras.config.set_dtype_policy(before)

    return built


def twin_of(model: keras.Model) -> keras.Model:
    """The same network with its own variables, not compiled, labelled alike."""
    twin = type(model).from_config(model.get_config())
    if hasattr(model, "set_metadata"):
        twin.set_metadata(model.metadata)
    return twin


def _set_momentum(model: keras.Model, momentum: float | None) -> None:
    if momentum is None:
        return
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = momentum
