"""Callbacks that carry a run from one saved state to the next, or stop it."""

import math
import signal
import threading

import keras
import numpy as np

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.progress import say
from hyperseg_tf.training.run_folder import RunFolder, save_model


class Position(keras.callbacks.Callback):
    """Count optimizer steps from `step`; the other callbacks ask this one.

    The optimizer's own counter is not read while training: under a distribution
    strategy that costs a transfer per step.
    """

    def __init__(self, step: int, steps_per_epoch: int):
        super().__init__()
        self.step = step
        self.steps_per_epoch = steps_per_epoch

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1

    @property
    def mid_epoch(self) -> bool:
        """Whether some but not all steps of an epoch are done."""
        return self.step % self.steps_per_epoch != 0


class DropoutSeeds(keras.callbacks.Callback):
    """Derive the state of every seed generator from (seed, step).

    Keras does not save these states. A generator that is drawn from once per step
    counts the steps by itself, so that setting them at the start of `fit` and of
    each epoch makes a resumed run draw what the uninterrupted one would have drawn.
    """

    def __init__(self, seed: int, position: Position):
        super().__init__()
        self.seed = seed
        self.position = position

    def on_epoch_begin(self, epoch, logs=None):
        generators = [
            v for v in self.model.variables if v.name == "seed_generator_state"
        ]
        for index, state in enumerate(generators):
            key = np.random.SeedSequence([self.seed, index]).generate_state(1)[0]
            # Half the range: a signed state on some devices must hold it.
            state.assign(np.array([key >> 1, self.position.step], "uint32"))


class FiniteLoss(keras.callbacks.Callback):
    """Stop where the loss is NaN or infinite; nothing of that step is saved."""

    def __init__(self, position: Position, folder: RunFolder):
        super().__init__()
        self.position = position
        self.folder = folder

    def on_train_batch_end(self, batch, logs=None):
        loss = (logs or {}).get("loss", 0.0)
        if not math.isfinite(loss):
            latest = self.folder.latest
            kept = f"{latest} is kept" if latest.exists() else "nothing was saved yet"
            raise UserError(
                f"the loss must stay finite: it is {loss} at step "
                f"{self.position.step}; try a learning rate of a third (--set "
                f"learning_rate=...) with --fresh or another --out; {kept}."
            )


class SaveLatest(keras.callbacks.Callback):
    """Write latest.keras, weights and optimizer, after each epoch."""

    def __init__(self, folder: RunFolder):
        super().__init__()
        self.folder = folder

    def on_epoch_end(self, epoch, logs=None):
        save_model(self.model, self.folder.latest)


class Interruption(keras.callbacks.Callback):
    """Turn Ctrl-C into a stop between two steps, with everything saved.

    A first Ctrl-C waits for the end of the step or, in a validation, for the end of
    the epoch; a second one stops at once. Use as a context around `fit`, and as its
    last callback. Elsewhere than in the main thread, where Python has no signals, it
    does nothing.
    """

    def __init__(self, position: Position, folder: RunFolder):
        super().__init__()
        self.position = position
        self.folder = folder
        self.requested = False

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            self.previous = signal.signal(signal.SIGINT, self._request)
        return self

    def __exit__(self, *_):
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self.previous)

    def on_train_batch_end(self, batch, logs=None):
        # At the last step of an epoch the validation still belongs to the state.
        if self.requested and self.position.mid_epoch:
            save_model(self.model, self.folder.latest)
            raise KeyboardInterrupt

    def on_epoch_end(self, epoch, logs=None):
        if self.requested:
            raise KeyboardInterrupt

    def _request(self, number, frame):
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        say("\nstopping after this step; Ctrl-C again stops at once, unsaved")
