"""Learning rates that depend on nothing but the step.

A resumed run must see the rates of an uninterrupted one, so a schedule keeps no
state: everything follows from the optimizer's step counter.
"""

import keras
from keras import ops


@keras.saving.register_keras_serializable("hyperseg_tf")
class PolyDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Polynomial decay to zero: `initial * (1 - step / steps) ** power`.

    The first steps may be warmed up: the rate, as it decays, times a share that grows
    to 1 in equal parts.

    Args:
        initial: Rate of the first step, positive.
        power: Exponent, positive; 1 is a straight line.
        steps: Step at which the rate is zero, at least 1; it stays zero after.
        every: Steps between two changes of the rate, at least 1; the number of
            steps per epoch makes a rate that is constant within each epoch.
        warmup: Steps until the share is 1, at least 0.

    Raises:
        ValueError: One of them is out of its range.
    """

    def __init__(self, initial, power, steps, every=1, warmup=0):
        if not initial > 0 or not power > 0:
            raise ValueError(
                f"initial and power must be positive: got {initial=} and {power=}; "
                "the published runs use 1e-4 to 1e-3 and 0.9 to 3."
            )
        if steps < 1 or every < 1:
            raise ValueError(
                f"steps and every must be at least 1: got {steps=} and {every=}; "
                "steps is epochs times steps per epoch."
            )
        if warmup < 0:
            raise ValueError(f"warmup must be at least 0 steps: got {warmup}.")
        super().__init__()
        self.initial = initial
        self.power = power
        self.steps = steps
        self.every = every
        self.warmup = warmup

    def __call__(self, step):
        # Whole steps are subtracted as integers: in float32, 1 - step/steps loses
        # the last digits of the small rates at the end of a long run.
        taken = ops.cast(step, "int32")
        step = taken // self.every * self.every
        left = ops.cast(ops.maximum(self.steps - step, 0), "float32") / self.steps
        rate = self.initial * ops.power(left, self.power)
        return rate * _share(taken, self.warmup) if self.warmup else rate

    def get_config(self):
        return {
            "initial": self.initial,
            "power": self.power,
            "steps": self.steps,
            "every": self.every,
            "warmup": self.warmup,
        }


@keras.saving.register_keras_serializable("hyperseg_tf")
class Staged(keras.optimizers.schedules.LearningRateSchedule):
    """One decay after the other, each from a step on.

    Args:
        parts: (start, origin, decay) each, in order of the starts, the first 0: from
            `start` on the rate is that of `decay`, a `PolyDecay` or the arguments of
            one, at the step minus `origin`.
        warmup: As in `PolyDecay`, over all of them.

    Raises:
        ValueError: There is no part, or they are not in order.
    """

    def __init__(self, parts, warmup=0):
        starts = [start for start, _, _ in parts]
        if not starts or starts[0] != 0 or starts != sorted(starts):
            raise ValueError(
                f"parts must be in order of their starts, the first 0: got {starts}."
            )
        super().__init__()
        self.parts = [
            (*steps, PolyDecay(**decay) if isinstance(decay, dict) else decay)
            for *steps, decay in parts
        ]
        self.warmup = warmup

    def __call__(self, step):
        taken = ops.cast(step, "int32")
        rate = None
        for start, origin, decay in self.parts:
            # Before its start a part may lie before its origin, where it has no rate.
            now = decay(ops.maximum(taken - origin, 0))
            rate = now if rate is None else ops.where(taken >= start, now, rate)
        return rate * _share(taken, self.warmup) if self.warmup else rate

    def get_config(self):
        parts = [(*steps, decay.get_config()) for *steps, decay in self.parts]
        return {"parts": parts, "warmup": self.warmup}


def _share(taken, warmup):
    """Of the rate in the step after `taken` (int32), where it grows over `warmup`."""
    return ops.cast(ops.minimum(taken + 1, warmup), "float32") / warmup
