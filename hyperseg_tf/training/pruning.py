"""Magnitude pruning while a network trains.

A weight that is zero stays zero: the mask of a kernel is where the kernel is not zero.
So nothing of it has to be saved, and a resumed run prunes as an uninterrupted one.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.compression.kernels import kernels
from hyperseg_tf.compression.toolkit import toolkit
from hyperseg_tf.recipes import Recipe

# Step (int64 tensor) -> (whether weights go at this step, sparsity), as tensors.
Schedule = Callable[[Any], tuple[Any, Any]]


class Pruning(keras.callbacks.Callback):
    """Set the smallest weights of every kernel to zero, and keep them there.

    After each step the zeros are put back; where the schedule says so, the smallest
    of a kernel's weights join them, each kernel to the same sparsity. Works under a
    distribution strategy. `kernels` says which kernels; those that are sparse when
    training begins stay at least that sparse.

    Args:
        schedule: `tfmot.sparsity.keras.PolynomialDecay`, `ConstantSparsity` or any
            other function of the number of finished steps.
        step: Steps that were finished before, as of a run that is resumed.
        smallest: Kernels of fewer weights are left alone.

    Raises:
        UserError: When training begins: the model has no kernel that is large enough.

    Adds `sparsity`, the share of zeros in the pruned kernels, to an epoch's logs.
    """

    def __init__(self, schedule: Schedule, step: int = 0, smallest: int = 1000):
        super().__init__()
        self.schedule = schedule
        self.step = step
        self.smallest = smallest

    def on_train_begin(self, logs=None):
        found = kernels(self.model, self.smallest)
        if not found:
            raise UserError(
                f"there must be a kernel to prune: {self.model.name} has none of "
                f"{self.smallest} weights or more; lower prune.smallest."
            )
        self.variables = [kernel.variable for kernel in found]
        self.masks = [
            tf.Variable(_array(variable) != 0, trainable=False)
            for variable in self.variables
        ]
        self.hold = tf.function(self._hold)
        if self.step == 0:
            self._prune()

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        self.hold()
        self._prune()

    def on_epoch_end(self, epoch, logs=None):
        kept = sum(int(np.sum(mask.numpy())) for mask in self.masks)
        weights = sum(int(np.prod(mask.shape)) for mask in self.masks)
        if logs is not None:
            logs["sparsity"] = 1 - kept / weights

    def _hold(self):
        for variable, mask in zip(self.variables, self.masks, strict=True):
            value = tf.convert_to_tensor(variable.value)
            kept = tf.where(mask, value, tf.zeros_like(value))
            variable.assign(kept)
            # An update can end at zero exactly: that weight is gone, too.
            mask.assign(tf.not_equal(kept, 0))

    def _prune(self):
        due, sparsity = self.schedule(tf.constant(self.step, tf.int64))
        if not bool(due):
            return
        for variable, mask in zip(self.variables, self.masks, strict=True):
            values = _array(variable)
            kept = largest(values, float(sparsity))
            variable.assign(np.where(kept, values, np.zeros_like(values)))
            mask.assign(kept)


def largest(values: np.ndarray, sparsity: float) -> np.ndarray:
    """Where the largest magnitudes are, as booleans; zeros never are.

    Args:
        values: Of any shape.
        sparsity: Share that is to be left out, rounded to whole values, 0..1.
    """
    sizes = np.abs(values).ravel()
    count = round(sparsity * sizes.size)
    threshold = np.partition(sizes, count - 1)[count - 1] if count else 0.0
    return np.abs(values) > threshold


def pruning_of(recipe: Recipe, step: int = 0) -> Pruning | None:
    """Return the pruning that a recipe asks for, or None.

    Raises:
        UserError: It asks, and the toolkit is not installed.
    """
    prune = recipe.prune
    if not prune.sparsity:
        return None
    if keras.backend.backend() != "tensorflow":
        raise UserError(
            "pruning needs TensorFlow's optimization toolkit: the backend is "
            f"{keras.backend.backend()}; set KERAS_BACKEND=tensorflow, or leave "
            "prune.sparsity at 0."
        )
    return Pruning(schedule(recipe), step, prune.smallest)


def schedule(recipe: Recipe) -> Schedule:
    """Return the toolkit's schedule, in steps of the recipe's run.

    Raises:
        UserError: The toolkit is not installed.
    """
    prune, found = recipe.prune, toolkit().sparsity.keras
    begin, end, every = _steps(recipe)
    if prune.schedule == "constant":
        return found.ConstantSparsity(prune.sparsity, begin, frequency=every)
    return found.PolynomialDecay(
        prune.initial, prune.sparsity, begin, end, power=prune.power, frequency=every
    )


def first_epoch(recipe: Recipe) -> int:
    """Return the first epoch, from 0, after which the sparsity is reached."""
    if not recipe.prune.sparsity:
        return 0
    begin, end, _ = _steps(recipe)
    step = begin if recipe.prune.schedule == "constant" else end
    return max(0, -(-step // recipe.steps_per_epoch) - 1)


def _steps(recipe: Recipe) -> tuple[int, int, int]:
    """Steps of begin and end, and those between two choices."""
    prune, num_steps = recipe.prune, recipe.epochs * recipe.steps_per_epoch
    begin = int(prune.begin * num_steps)
    end = max(begin + 1, int(prune.end * num_steps))
    every = min(prune.every, end - begin)
    # The toolkit acts every so many steps from the begin: an end between two of them
    # would never be acted on, and the sparsity not reached.
    return begin, end - (end - begin) % every, every


def _array(variable: keras.Variable) -> np.ndarray:
    return keras.ops.convert_to_numpy(variable)
