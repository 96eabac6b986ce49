"""Callbacks that carry a run from one saved state to the next, or stop it."""

import math
import signal
from collections.abc import Callable

import keras
import numpy as np

from hyperseg_tf.base import stopping
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.progress import say
from hyperseg_tf.training import processes
from hyperseg_tf.training.plan import Plan
from hyperseg_tf.training.run_folder import RunFolder


class Position(keras.callbacks.Callback):
    """Count optimizer steps from `step`; the other callbacks ask this one.

    `plan` says where epochs end, and may be replaced while a run goes on; `over` is set
    where it ends before that.

    The optimizer's own counter is not read while training: under a distribution
    strategy that costs a transfer per step.
    """

    def __init__(self, step: int, plan: Plan):
        super().__init__()
        self.step = step
        self.plan = plan
        self.over = False

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1

    @property
    def mid_epoch(self) -> bool:
        """Whether some but not all steps of an epoch are done."""
        return self.plan.mid_epoch(self.step)


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
            raise UserError(
                f"the loss must stay finite: it is {loss} at step "
                f"{self.position.step}; try a learning rate of a third (--set "
                f"learning_rate=...) with --fresh or another --out; "
                f"{self.folder.kept()}."
            )


class Interruption(keras.callbacks.Callback):
    """Turn Ctrl-C, and SIGTERM in a command, into a stop with everything saved.

    The first one waits for the end of the step or, in a validation, for the end of the
    epoch; Ctrl-C then stops at once, while another SIGTERM changes nothing: schedulers
    send several. Use as a context around `fit`, and as its last callback. Signals that
    the caller ignores, or handles in its own way, stay the caller's. Several processes
    stop after the same step, whichever of them got the signal.

    Args:
        save: Writes the state after a step.
    """

    def __init__(self, position: Position, save: Callable[[], None]):
        super().__init__()
        self.position = position
        self.save = save
        self.requested: int | None = None

    def __enter__(self):
        self.previous = {
            number: signal.signal(number, self._request)
            for number in stopping.raising()
        }
        return self

    def __exit__(self, *_):
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    def on_train_batch_end(self, batch, logs=None):
        # At the last step of an epoch the validation still belongs to the state.
        if self.position.mid_epoch and (number := self._of_any_process()):
            self.save()
            raise stopping.interrupt(number)

    def on_epoch_end(self, epoch, logs=None):
        if number := self._of_any_process():
            raise stopping.interrupt(number)

    def _of_any_process(self) -> int:
        return processes.largest(self.requested or 0)

    def _request(self, number, frame):
        stopping.leave_dead_terminal()
        if self.requested is None:
            self.requested = number
            again = "again " if number == signal.SIGINT else ""
            say(f"\nstopping after this step; Ctrl-C {again}stops at once, unsaved")
        elif number == signal.SIGINT:
            raise KeyboardInterrupt
