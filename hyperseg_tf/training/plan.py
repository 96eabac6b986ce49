"""How long a run is and how its learning rate falls, and what was changed about it.

A run is planned by its recipe. It can be ended early, its rate falling to zero all the
same, and it can be extended; run.json keeps what was changed, so that every part of
the run, and every resumption, sees the same rates.
"""

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.recipes import Recipe
from hyperseg_tf.training.schedules import PolyDecay, Staged

# In run.json: the stages after the recipe's own.
PLAN = "plan"


@dataclass(frozen=True)
class Stage:
    """The rates from a step on, until the next stage or the end.

    Attributes:
        start: First step.
        until: Step at which the rate is zero, and the run ends.
        origin: Step from which the decay counts, at most `start`.
        initial: Rate at `origin`, without warm-up.
        kind: "recipe", "anneal" (the rate goes on from where it was) or "extend" (it
            is that of a run which was this long from the beginning).
    """

    start: int
    until: int
    origin: int
    initial: float
    kind: Literal["recipe", "anneal", "extend"]


class Plan:
    """The stages of a run.

    An epoch ends at every multiple of the recipe's steps per epoch, and where a stage
    ended the run; numbers of epochs are from 0.

    Args:
        recipe: Gives the first stage.
        stages: The others, in order of their starts.
    """

    def __init__(self, recipe: Recipe, stages: Sequence[Stage] = ()):
        self.recipe = recipe
        self.steps_per_epoch = recipe.steps_per_epoch
        until = recipe.epochs * recipe.steps_per_epoch
        own = Stage(0, until, 0, recipe.learning_rate, "recipe")
        self.stages = [own, *stages]

    @classmethod
    def of(cls, recipe: Recipe, facts: Mapping[str, Any] | None) -> "Plan":
        """The plan that run.json has.

        Raises:
            UserError: What it has is no plan.
        """
        try:
            stages = [Stage(**stage) for stage in (facts or {}).get(PLAN) or ()]
            numbers = [[s.start, s.until, s.origin] for s in stages]
            if not all(type(number) is int for stage in numbers for number in stage):
                raise ValueError("a step is no whole number")
            if not all(0 <= o <= s < u for s, u, o in numbers):
                raise ValueError("a stage ends before it starts")
            if not all(0 < stage.initial < math.inf for stage in stages):
                raise ValueError("a rate is not positive")
            if not all(stage.kind in ("anneal", "extend") for stage in stages):
                raise ValueError("a stage is of no known kind")
            if numbers != sorted(numbers, key=lambda stage: stage[0]):
                raise ValueError("its stages are not in order")
        except (TypeError, ValueError) as error:
            raise UserError(
                f"run.json says how the run was shortened or extended: its {PLAN} "
                f"cannot be read ({error}); restore it or start again with --fresh."
            ) from None
        return cls(recipe, stages)

    def as_data(self) -> list[dict[str, Any]]:
        """What run.json keeps."""
        return [asdict(stage) for stage in self.stages[1:]]

    @property
    def until(self) -> int:
        """Steps of the whole run."""
        return self.stages[-1].until

    @property
    def epochs(self) -> int:
        """Epochs of the whole run, the last may be short."""
        return len(self._ends(self.until))

    def done(self, step: int) -> int:
        """Epochs that are over after so many steps."""
        return len(self._ends(step))

    def epoch(self, step: int) -> tuple[int, int]:
        """First and last step of the epoch that a step, counted from 0, lies in."""
        ends = [0, *self._ends(max(step + 1, self.until))]
        place = bisect_right(ends, step)
        return ends[place - 1], ends[place]

    def mid_epoch(self, step: int) -> bool:
        """Whether some but not all steps of an epoch are done."""
        return step > 0 and step not in self._ends(step)

    def spans(self, step: int) -> Iterator[tuple[int, int, int]]:
        """First epoch, the one after the last, and steps per epoch of each `fit`.

        What is left of an epoch, and a short one, is a `fit` of its own: Keras knows
        one length of epochs.
        """
        while step < self.until:
            number, (_, end) = self.done(step), self.epoch(step)
            alike = (self.until - step) // self.steps_per_epoch
            count = alike if end - step == self.steps_per_epoch else 1
            yield number, number + count, end - step
            step += count * (end - step)

    def annealed(self, step: int, steps: int) -> "Plan":
        """End the run in so many steps, the rate falling to zero from what it is.

        Raises:
            UserError: There is no step left, or the run prunes.
        """
        self._not_pruned("ended early")
        if steps < 1:
            raise UserError(
                f"a run is annealed in at least 1 step: got {steps}; give more."
            )
        until, now = step + steps, max(self._unwarmed(step), self._least())
        return self._changed(Stage(step, until, step, now, "anneal"))

    def extended(self, step: int, epochs: int) -> "Plan":
        """Make the run that many epochs long.

        Raises:
            UserError: It is that long already, or prunes.
        """
        self._not_pruned("extended")
        until = epochs * self.steps_per_epoch
        if until <= max(self.until, step):
            raise UserError(
                f"a run is extended beyond its end: {epochs} epochs of "
                f"{self.steps_per_epoch} steps are {until} steps, and it has "
                f"{self.until}; give more epochs, or end it early with --anneal."
            )
        return self._changed(Stage(step, until, 0, self.recipe.learning_rate, "extend"))

    def schedule(self) -> PolyDecay | Staged:
        """The learning rate as a function of the step."""
        recipe = self.recipe
        if len(self.stages) == 1:
            return self._decay(self.stages[0], recipe.warmup_steps)
        parts = [(s.start, s.origin, self._decay(s)) for s in self.stages]
        return Staged(parts, recipe.warmup_steps)

    def _decay(self, stage: Stage, warmup: int = 0) -> PolyDecay:
        recipe = self.recipe
        by_epoch = recipe.decay == "epoch" and stage.kind != "anneal"
        every = self.steps_per_epoch if by_epoch else 1
        steps = stage.until - stage.origin
        return PolyDecay(stage.initial, recipe.power, steps, every, warmup)

    def _unwarmed(self, step: int) -> float:
        stage = self.stages[-1]
        return float(self._decay(stage)(step - stage.origin))

    def _least(self) -> float:
        # At the end of a run the rate is 0, which no decay begins with.
        return 1e-3 * self.recipe.learning_rate

    def _changed(self, stage: Stage) -> "Plan":
        # A stage that was never entered leaves nothing behind.
        kept = [s for s in self.stages[1:] if s.start < stage.start]
        return Plan(self.recipe, [*kept, stage])

    def _ends(self, step: int) -> list[int]:
        """Where epochs end, up to that of the step."""
        size = self.steps_per_epoch
        whole = range(size, step + 1, size)
        # An early end holds only if it was reached.
        short = [
            stage.until
            for stage, after in zip(self.stages, [*self.stages[1:], None], strict=True)
            if stage.until <= step and (after is None or after.start >= stage.until)
        ]
        return sorted({*whole, *short})

    def _not_pruned(self, what: str) -> None:
        if self.recipe.prune.sparsity:
            raise UserError(
                "a run that prunes takes its time to the end: it cannot be "
                f"{what}; start another with fewer or more epochs."
            )


def changed(plan: Plan, step: int, anneal: int | None, extend: int | None) -> Plan:
    """The plan with what is asked of it at a step.

    What was asked before, and is under way or done, is not asked again: the same
    command resumes a run that was stopped.

    Args:
        anneal: Steps in which to end the run.
        extend: Epochs of the whole run.

    Raises:
        UserError: Both are asked; a run cannot be changed so.
    """
    if anneal is not None and extend is not None:
        raise UserError("a run is ended early or extended: got both; leave one out.")
    last = plan.stages[-1]
    if anneal is not None:
        same = last.kind == "anneal" and last.until - last.start == anneal
        return plan if same else plan.annealed(step, anneal)
    if extend is not None:
        same = last.kind == "extend" and last.until == extend * plan.steps_per_epoch
        return plan if same else plan.extended(step, extend)
    return plan
