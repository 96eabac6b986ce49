"""Write latest.keras, after each epoch and every few minutes within one.

The loss that log.csv tells of an epoch is the mean over its steps. What it was made
from is in run.json for a state within an epoch, so that the row of an epoch that was
interrupted is that of one that was not.
"""

import time
from typing import Any

import keras
from keras import ops

from hyperseg_tf.training.run_folder import RunFolder, save_model
from hyperseg_tf.training.state import Position

SAVE_EVERY_MINUTES = 10.0
# In run.json: the running mean of the loss at the last two states within an epoch. A
# kill may come between it and latest.keras, which then is that of the one before.
PARTIAL = "partial"


class SaveLatest(keras.callbacks.Callback):
    """Write latest.keras, weights and optimizer, and take up the mean loss again.

    Args:
        facts: Of run.json.
        every_minutes: Between two states within an epoch, at least 0; 0 is each step.
    """

    def __init__(
        self,
        folder: RunFolder,
        facts: dict[str, Any],
        position: Position,
        every_minutes: float = SAVE_EVERY_MINUTES,
    ):
        super().__init__()
        self.folder = folder
        self.facts = facts
        self.position = position
        self.every_minutes = every_minutes
        self.saved = time.monotonic()

    def on_epoch_begin(self, epoch, logs=None):
        # Keras has set the mean to zero by now.
        for state in self.facts.get(PARTIAL, ()) if self.position.mid_epoch else ():
            if state["step"] == self.position.step:
                pairs = zip(_mean(self.model), state["loss"], strict=True)
                for variable, value in pairs:
                    variable.assign(value)

    def on_train_batch_end(self, batch, logs=None):
        if self.position.mid_epoch and self._due():
            self.save()

    def on_epoch_end(self, epoch, logs=None):
        self.save()
        if self.facts.pop(PARTIAL, None):
            self.folder.write_facts(self.facts)

    def save(self) -> None:
        """Write the state after this step."""
        if hasattr(self.model, "jax_state_sync"):
            # Under JAX the variables are empty while a step may run.
            self.model.jax_state_sync()
        if self.position.mid_epoch:
            loss = [float(ops.convert_to_numpy(v)) for v in _mean(self.model)]
            before = self.facts.get(PARTIAL, [])
            kept = [s for s in before if s["step"] < self.position.step][-1:]
            self.facts[PARTIAL] = [*kept, {"step": self.position.step, "loss": loss}]
            self.folder.write_facts(self.facts)
        save_model(self.model, self.folder.latest)
        self.saved = time.monotonic()

    def _due(self) -> bool:
        return time.monotonic() - self.saved >= 60 * self.every_minutes


def _mean(model: keras.Model) -> list:
    """The two variables, sum and count, of the mean of the loss over an epoch."""
    tracker = next(metric for metric in model.metrics if metric.name == "loss")
    return tracker.variables
