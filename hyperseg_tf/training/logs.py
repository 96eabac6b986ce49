"""Callbacks that tell how a run goes: on the terminal, in tables and in pictures."""

import math
import statistics
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import keras
from keras import ops

from hyperseg_tf.base.duration import duration
from hyperseg_tf.base.machine import peak_memory
from hyperseg_tf.base.progress import draw, say
from hyperseg_tf.training.curve import draw_curve
from hyperseg_tf.training.devices import peak_gpu_memory
from hyperseg_tf.training.optimizer import ScaledLoss
from hyperseg_tf.training.run_folder import RunFolder
from hyperseg_tf.training.scores import lowest_classes
from hyperseg_tf.training.state import Position

# Classes told of after an epoch.
_LOWEST = 4
# Steps that are timed before the length of the run is told.
_TIMED = 8
# A validation of one picture takes about so much of a step's time for one.
FORWARD = 0.4


class Announce(keras.callbacks.Callback):
    """Say on stderr why nothing seems to happen, and soon how long the run will take.

    After a few steps that were timed, once: of steps as long as these, and validations
    of which a picture takes a share of what it takes in a step.

    Args:
        validation: Pictures of a validation over those of a step; None says nothing.
        finish_by: When the run is to be over: no estimate goes beyond.
    """

    def __init__(
        self,
        position: Position | None = None,
        validation: float | None = None,
        finish_by: datetime | None = None,
    ):
        super().__init__()
        self.position = position
        self.validation = validation
        self.finish_by = finish_by
        self.start = None
        self.ends = []

    def on_train_begin(self, logs=None):
        if self.start is None:
            self.start = time.perf_counter()
            say("tracing the first step; this takes up to a minute ...")

    def on_train_batch_end(self, batch, logs=None):
        if self.start:
            say(f"first step done after {time.perf_counter() - self.start:.0f} s")
            self.start = 0
        if self.validation is not None and self.position is not None:
            self.ends.append(time.perf_counter())
            if len(self.ends) > _TIMED:
                self._estimate()
                self.validation = None

    def _estimate(self):
        each = statistics.median(
            after - before
            for before, after in zip(self.ends, self.ends[1:], strict=False)
        )
        plan, step = self.position.plan, self.position.step
        validations = plan.epochs - plan.done(step)
        seconds = each * (plan.until - step)
        seconds += validations * FORWARD * each * self.validation
        say(
            f"a step takes {each:.2g} s; of the whole run about "
            + left_until(seconds, self.finish_by).strip()
        )


class Measure(keras.callbacks.Callback):
    """Add rate and speed to an epoch's logs.

    With a scaled loss also `skipped`, the steps so far whose gradients overflowed.

    Adds `lr` (of the last step), `images_per_s` (training alone, without the first
    step, which traces), `waited` (share of that time in which the next batch was not
    ready, 0..1), `seconds` (all of the epoch, validation included), and `memory_gib`
    and `gpu_memory_gib`, the most that the process and the fullest of its GPUs have
    had so far, where that is known.

    Args:
        waited: Seconds waited for batches so far; None where nobody counts them, and
            the logs have no `waited`.
    """

    def __init__(
        self,
        position: Position,
        batch_size: int,
        waited: Callable[[], float] | None = None,
    ):
        super().__init__()
        self.waited = waited
        self.position = position
        self.batch_size = batch_size
        self.plan = None
        self.num_steps = 0
        self.validation = self.afterwards = 0.0
        self.ended = None

    @property
    def remaining(self) -> float:
        """Seconds to the end of the plan as this epoch went; NaN before it is known.

        To be asked at the end of an epoch.
        """
        plan, step = self.position.plan, self.position.step
        if not self.num_steps:
            return math.nan
        each = (self.train_end - self.train_start) / self.num_steps
        between = self.validation + self.afterwards
        return (plan.until - step) * each + (plan.epochs - plan.done(step)) * between

    def on_epoch_begin(self, epoch, logs=None):
        if self.ended is not None:
            # Drawing, saving: what the callbacks after this one do.
            self.afterwards = time.perf_counter() - self.ended
            self.ended = None
        # With another plan the step is traced again.
        self.traced = self.plan is self.position.plan
        self.plan = self.position.plan
        self.epoch_start = self.train_start = self.train_end = time.perf_counter()
        self.num_steps = 0
        self.waited_before = self._waited()

    def on_train_batch_end(self, batch, logs=None):
        self.train_end = time.perf_counter()
        if self.traced:
            self.num_steps += 1
        else:
            self.train_start = self.train_end
            self.waited_before = self._waited()
            self.traced = True

    def on_epoch_end(self, epoch, logs=None):
        seconds = self.train_end - self.train_start
        images = self.num_steps * self.batch_size
        rate = self.position.plan.schedule()(self.position.step - 1)
        logs["lr"] = float(ops.convert_to_numpy(rate))
        logs["images_per_s"] = images / seconds if seconds > 0 else math.nan
        if self.waited:
            waited = self._waited() - self.waited_before
            logs["waited"] = waited / seconds if seconds > 0 else math.nan
        optimizer = getattr(self.model, "optimizer", None)
        if isinstance(optimizer, ScaledLoss):
            logs["skipped"] = optimizer.skipped
        for name, peak in (
            ("memory_gib", peak_memory()),
            ("gpu_memory_gib", peak_gpu_memory()),
        ):
            if peak is not None:
                logs[name] = peak / 2**30
        self.ended = time.perf_counter()
        self.validation = self.ended - self.train_end
        logs["seconds"] = self.ended - self.epoch_start

    def _waited(self) -> float:
        return self.waited() if self.waited else 0.0


class EpochBar(keras.callbacks.Callback):
    """A bar over the steps of an epoch, which goes when its `EpochLine` comes.

    It starts with the first step done, so that tracing does not count in its rate.
    """

    def __init__(self, position: Position):
        super().__init__()
        self.position = position
        self.bar = None

    def on_epoch_begin(self, epoch, logs=None):
        if self.bar is not None:  # of an epoch that was planned anew in its middle
            self.bar.close()
        self.title = f"epoch {epoch + 1}/{self.position.plan.epochs}"
        self.bar = None

    def on_train_batch_end(self, batch, logs=None):
        ended = not self.position.mid_epoch
        state = "validating" if ended else f"loss {logs['loss']:.4f}"
        if self.bar is None:
            # A resumed epoch begins in its middle.
            first, end = self.position.plan.epoch(self.position.step - 1)
            total, done = end - first, self.position.step - first
            options = {"leave": False, "unit": "step", "postfix": state}
            self.bar = draw(self.title, total, done, disable=False, **options)
        else:
            self.bar.set_postfix_str(state, refresh=False)
            self.bar.update()
        if ended:
            self.bar.refresh()

    def on_epoch_end(self, epoch, logs=None):
        self.bar.close()


class EpochLine(keras.callbacks.Callback):
    """One line per epoch on stderr, and one of the classes of the lowest IoU.

    Beside a bar it tells the validation's scores.

    Args:
        remaining: Seconds to the end of the run, NaN where that is not known; None
            tells nothing of it.
        finish_by: When the run is over at the latest, however slow it is.
    """

    def __init__(
        self,
        position: Position,
        remaining: Callable[[], float] | None = None,
        finish_by: datetime | None = None,
    ):
        super().__init__()
        self.position = position
        self.remaining = remaining
        self.finish_by = finish_by

    def on_epoch_end(self, epoch, logs=None):
        sparsity = f"sparsity {logs['sparsity']:.3f}  " if "sparsity" in logs else ""
        skipped = f"{logs['skipped']} steps skipped  " if "skipped" in logs else ""
        waited = logs.get("waited", math.nan)
        waited = "" if math.isnan(waited) else f"{waited:.0%} waiting for data  "
        say(
            f"epoch {epoch + 1}/{self.position.plan.epochs}  loss {logs['loss']:.4f}  "
            f"val_loss {logs['val_loss']:.4f}  val_miou {logs['val_miou']:.4f}  "
            f"{sparsity}{skipped}"
            f"lr {logs['lr']:.2e}  {logs['images_per_s']:.1f} images/s  "
            f"{waited}"
            f"{logs['seconds']:.0f} s"
            f"{_memory(logs)}{self._left()}"
        )
        lowest = lowest_classes(logs, _LOWEST)
        if lowest:
            each = ", ".join(f"{name} {iou:.3f}" for name, iou in lowest)
            say(f"  lowest IoU: {each}")

    def _left(self) -> str:
        """How long the run goes on, and until when."""
        seconds = self.remaining() if self.remaining else math.nan
        over = self.position.step >= self.position.plan.until
        if over or not math.isfinite(seconds):
            return ""
        return left_until(seconds, self.finish_by)


def left_until(seconds: float, finish_by: datetime | None = None) -> str:
    """How much longer, and until when, as the end of a line."""
    now = datetime.now()
    end = now + timedelta(seconds=seconds)
    if finish_by is not None:
        # Until then the plan is made shorter, if need be.
        end = max(now, min(end, finish_by))
    seconds = (end - now).total_seconds()
    clock = f"{end:%H:%M}" if end.date() == now.date() else f"{end:%d %b %H:%M}"
    return f"  {duration(seconds)} left, until {clock}"


def _memory(logs: Mapping[str, float]) -> str:
    gpu = logs.get("gpu_memory_gib")
    shown = f"  {logs['memory_gib']:.1f} GiB" if "memory_gib" in logs else ""
    return shown if gpu is None else f"{shown}  {gpu:.1f} GiB of the GPU"


class CsvLog(keras.callbacks.Callback):
    """Write log.csv: one row per epoch, those after the resumed step dropped."""

    def __init__(self, folder: RunFolder, position: Position):
        super().__init__()
        self.folder = folder
        self.position = position
        self.rows = [row for row in folder.read_log() if row["step"] <= position.step]

    def on_epoch_end(self, epoch, logs=None):
        row = {"epoch": epoch + 1, "step": self.position.step}
        row |= {name: float(value) for name, value in logs.items()}
        self.rows.append(row)
        self.folder.write_log(self.rows)


class Curve(keras.callbacks.Callback):
    """Draw curve.png from the rows of the log; `facts` has the best epoch."""

    def __init__(self, log: CsvLog, folder: RunFolder, facts: Mapping[str, Any]):
        super().__init__()
        self.log = log
        self.folder = folder
        self.facts = facts

    def on_epoch_end(self, epoch, logs=None):
        draw_curve(self.log.rows, self.folder.curve, self.facts["best"])
