"""End a run in time: shorten it so that it is annealed, validated and saved by then."""

import statistics
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import keras

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.progress import say
from hyperseg_tf.training.logs import FORWARD
from hyperseg_tf.training.model import change_rate
from hyperseg_tf.training.plan import PLAN, Plan
from hyperseg_tf.training.saving import SaveLatest
from hyperseg_tf.training.state import Position

# Steps whose times are looked at first, and at most.
_FIRST, _RECENT = 8, 24
# Of the time left: kept in reserve; by which the run may be late, or early, unchanged.
_RESERVE, _LATE, _EARLY = 0.04, 0.02, 0.15


class Replanned(Exception):
    """The plan of the run is another; `fit` begins anew after the last step."""


class Deadline(keras.callbacks.Callback):
    """Change the plan where the run would take too long, and raise `Replanned`.

    Looked at after a few steps, and whenever a quarter of the time, or of the steps,
    that were left is over: what a step takes changes with what else the machine does.
    A run that was shortened is made longer again where there is time, up to the length
    that the recipe, or the user, gave it.

    Args:
        end: Until when.
        saving: Writes the state after a step.
        facts: Of run.json; the plan is noted in them.
        validation: Samples of one over those of a training step.
        clock: Seconds, for tests.
    """

    def __init__(
        self,
        end: datetime,
        position: Position,
        saving: SaveLatest,
        facts: dict[str, Any],
        validation: float,
        clock: Callable[[], float] = time.time,
    ):
        super().__init__()
        self.end = end.timestamp()
        self.position = position
        self.saving = saving
        self.facts = facts
        self.clock = clock
        self.longest = position.plan
        self.seconds: deque[float] = deque(maxlen=_RECENT)
        self.between = None  # seconds of the last validation, with what follows it
        self.samples = validation
        self.tracing = 0.0
        self.look = (0.0, 0)  # the time, or the step, from which on to look again
        self.last = None

    def on_train_begin(self, logs=None):
        self.last = None
        self.began = self.clock()

    def on_epoch_begin(self, epoch, logs=None):
        if self.last is not None:
            self.between = self.clock() - self.last
            self.last = self.clock()

    def on_train_batch_end(self, batch, logs=None):
        now = self.clock()
        if self.last is None:
            self.tracing = max(self.tracing, now - self.began)
        else:
            self.seconds.append(now - self.last)
        self.last = now
        if not self.position.mid_epoch or len(self.seconds) < _FIRST:
            return
        if now >= self.look[0] or self.position.step >= self.look[1]:
            plan = self._decided(now)
            steps = plan.until - self.position.step
            self.look = (now + (self.end - now) / 4, self.position.step + steps / 4)
            if plan is not self.position.plan:
                self._change(plan)

    def _decided(self, now) -> Plan:
        """The plan of the moment, or another one."""
        plan, step = self.position.plan, self.position.step
        left = self.end - now
        over = self._needed(plan.until - step) - left
        late = over > _LATE * left
        early = plan.until < self.longest.until and -over > _EARLY * left
        if left <= self.tracing or not (late or early):
            return plan
        steps = self._fitting((1 - _RESERVE) * left - self.tracing)
        steps = min(steps, self.longest.until - step)
        return plan if step + steps == plan.until else plan.annealed(step, steps)

    def _change(self, plan: Plan) -> None:
        late = plan.until < self.position.plan.until
        say(
            f"{'it would take too long: ' if late else 'there is time for more: '}"
            f"annealing from step {self.position.step} to {plan.until}, to finish by "
            f"{datetime.fromtimestamp(self.end):%H:%M}"
        )
        self.position.plan = plan
        self.facts[PLAN] = plan.as_data()
        self.saving.save()  # writes run.json, too
        change_rate(self.model, plan.schedule())
        raise Replanned

    def _needed(self, steps: int) -> float:
        """Seconds of so many steps, with their validations."""
        step = statistics.median(self.seconds)
        validation = self.between
        if validation is None:
            validation = FORWARD * step * self.samples
        plan, here = self.position.plan, self.position.step
        size = plan.steps_per_epoch
        validations = (here + steps) // size - here // size
        validations += (here + steps) % size != 0
        return steps * step + validations * validation

    def _fitting(self, seconds: float) -> int:
        """The most steps that take no longer, at least 1."""
        low, high = 1, 2
        while self._needed(high) <= seconds:
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            if self._needed(middle) <= seconds:
                low = middle
            else:
                high = middle
        return low


def parse_time(text: str, now: datetime | None = None) -> datetime:
    """Read "18:30" (the next one), "2026-11-28 18:30", or "45m", "1h30m", "90s".

    Raises:
        UserError: It is none of these, or a date that is over.
    """
    now = now or datetime.now()
    found = _moment(text.strip(), now)
    if found is None or found <= now:
        problem = "cannot be read" if found is None else "is over"
        raise UserError(
            "a time to finish by is a clock time, 18:30 or 2030-12-24T18:30, or how "
            f"long from now, 45m or 1h30m: {text!r} {problem}."
        )
    return found


def seconds_of(text: str) -> float:
    """Read how long something may take, "45m", "1h30m", "90s".

    Raises:
        UserError: It is none of these.
    """
    seconds = _duration(text.strip())
    if seconds is None:
        raise UserError(
            f"a time is written 45m, 1h30m or 90s: got {text!r}; --finish-by takes a "
            "clock time."
        )
    return seconds


def _duration(text: str) -> float | None:
    units = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
    seconds, number = 0.0, ""
    for letter in text.lower():
        if letter in units and number:
            try:
                seconds += float(number) * units[letter]
            except ValueError:
                return None
            number = ""
        else:
            number += letter
    return seconds if not number and 0 < seconds < 1e9 else None


def _moment(text: str, now: datetime) -> datetime | None:
    seconds = _duration(text)
    if seconds is not None:
        return now + timedelta(seconds=seconds)
    try:
        clock = datetime.strptime(text, "%H:%M").time()
        found = datetime.combine(now.date(), clock)
        return found if found > now else found + timedelta(days=1)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).astimezone().replace(tzinfo=None)
    except ValueError:
        return None
