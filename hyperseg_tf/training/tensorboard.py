"""What TensorBoard shows of a run: steps, epochs, the recipe, pictures."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from hyperseg_tf.recipes import Recipe
from hyperseg_tf.training.run_folder import RunFolder
from hyperseg_tf.training.state import Position

# Loss and rate are written for every step, at most so many to an epoch.
_MOST_STEPS = 200


class TensorBoardLog(keras.callbacks.Callback):
    """Write for TensorBoard what is known of a run.

    `step/loss` and `step/lr` of the steps of an epoch, evenly spread where there are
    many; the logs of each epoch at the number of its last step; the recipe once, as
    text; a picture per validation sample.

    Args:
        pictures: The newest ones, uint8 (H, W, 3) each.
    """

    def __init__(
        self,
        folder: RunFolder,
        recipe: Recipe,
        position: Position,
        pictures: Callable[[], Sequence[np.ndarray]] | None = None,
    ):
        super().__init__()
        self.folder = folder
        self.recipe = recipe
        self.position = position
        self.pictures = pictures
        self.every = max(1, recipe.steps_per_epoch // _MOST_STEPS)
        self.writer = None
        self.before = (0, 0.0)

    def on_epoch_begin(self, epoch, logs=None):
        self.rate = self.position.plan.schedule()
        # Of an epoch that is resumed the mean goes on, and its first step is not known.
        first, _ = self.position.plan.epoch(self.position.step)
        self.steps = self.position.step - first
        self.before = (self.steps, None if self.steps else 0.0)

    def on_train_batch_end(self, batch, logs=None):
        self.steps += 1
        steps, total = self.before
        self.before = (self.steps, self.steps * float(logs["loss"]))
        if total is None or self.position.step % self.every:
            return
        # The loss in the logs is the mean of the epoch so far.
        loss = (self.before[1] - total) / (self.steps - steps)
        rate = float(ops.convert_to_numpy(self.rate(self.position.step - 1)))
        self._write(self.position.step, {"step/loss": loss, "step/lr": rate})

    def on_epoch_end(self, epoch, logs=None):
        pictures = self.pictures() if self.pictures else ()
        self._write(self.position.step, logs, pictures)
        self._guarded(self.writer.flush)

    def _write(self, step: int, numbers: dict[str, Any], pictures=()):
        def write():
            if self.writer is None:
                self.writer = tf.summary.create_file_writer(
                    str(self.folder.tensorboard)
                )
                with self.writer.as_default(step=step):
                    text = json.dumps(self.recipe.as_data(), indent=2)
                    tf.summary.text("recipe", f"```json\n{text}\n```")
            with self.writer.as_default(step=step):
                for name, value in numbers.items():
                    tf.summary.scalar(name, float(value))
                for number, picture in enumerate(pictures):
                    tf.summary.image(f"validation/{number}", picture[None])

        self._guarded(write)

    def _guarded(self, act: Callable[[], None]):
        try:
            act()
        except tf.errors.OpError as error:
            raise OSError(
                None,
                f"TensorBoard's logs: {error.message}",
                str(self.folder.tensorboard),
            ) from error
