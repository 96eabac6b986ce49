"""How much of the kernels a run prunes away, and when."""

from dataclasses import dataclass
from typing import Literal, get_args

from hyperseg_tf.recipes.rules import check, one_of

Schedule = Literal["polynomial", "constant"]

_RULES = (
    ("sparsity initial begin", "be in 0..1, without 1", lambda value: 0 <= value < 1),
    ("end", "be in 0..1, without 0", lambda value: 0 < value <= 1),
    ("power", "be positive", lambda value: value > 0),
    ("every", "be at least 1", lambda value: value >= 1),
    ("smallest", "be at least 0", lambda value: value >= 0),
    one_of("schedule", get_args(Schedule)),
)


@dataclass(frozen=True, kw_only=True)
class Prune:
    """Magnitude pruning during a run, by the schedules of TensorFlow's toolkit.

    Args:
        sparsity: Share of the weights of every pruned kernel that are zero at last;
            0 prunes nothing.
        schedule: "polynomial" rises from `initial` at `begin` to `sparsity` at `end`;
            "constant" goes to `sparsity` at `begin`.
        initial: Sparsity at `begin`; polynomial only.
        begin: Share of the run's steps after which pruning starts.
        end: Share of the run's steps after which the sparsity is reached; the rest
            of the run recovers with it held. Polynomial only.
        power: Exponent of the rise; 3 takes most at first. Polynomial only.
        every: Steps between two choices of the weights that go; in between they are
            held.
        smallest: Kernels of fewer weights stay dense.
    """

    sparsity: float = 0.0
    schedule: Schedule = "polynomial"
    initial: float = 0.0
    begin: float = 0.0
    end: float = 0.5
    power: float = 3.0
    every: int = 10
    smallest: int = 1000

    def __post_init__(self) -> None:
        check(self, _RULES, "prune.")
        if self.schedule == "polynomial" and not self.begin < self.end:
            raise ValueError(
                f"prune.begin must be below prune.end: got {self.begin} and {self.end}."
            )
