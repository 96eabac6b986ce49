"""What turns add up to: rows, ratios formed in pairs, and a table."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.harness.machine import machine_lines
from benchmarks.harness.processes import Output
from benchmarks.harness.turns import Turn, are_quiet

MIN_QUIET_ROUNDS = 5


@dataclass(frozen=True)
class Row:
    """One line of the table; `ratio` is reference latency over own, pair by pair."""

    part: str
    name: str
    median_ms: float
    min_ms: float
    ratio: float | None
    ratio_quartiles: tuple[float, float] | None
    rounds: int
    quiet_rounds: int | None
    others: float | None
    quiet: bool
    goal: float | None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The turns of all competitors, by (part, competitor name), and how they ran."""

    title: str
    reference: str
    threads: int
    one_process: bool
    machine: Mapping[str, Any]
    turns: Mapping[tuple[str, str], Sequence[Turn]]
    outputs: Mapping[tuple[str, str], Output]
    goals: Mapping[tuple[str, str], float]
    wanted_rounds: int

    def rows(self) -> list[Row]:
        """Summaries in the order of the turns, one per part and competitor."""
        return [self._row(part, name) for part, name in self.turns]

    def _row(self, part: str, name: str) -> Row:
        kept = self._kept(part)
        turns = self.turns[part, name]
        mine = [turns[i].latency_ms for i in kept]
        ratio = quartiles = None
        if (part, self.reference) in self.turns:
            pairs = self.pairs(part, self.reference, name)
            ratio = statistics.median(pairs)
            low, high = np.percentile(pairs, [25, 75])
            quartiles = (float(low), float(high))
        known = [turns[i].others for i in kept if turns[i].others is not None]
        return Row(
            part=part,
            name=name,
            median_ms=statistics.median(mine),
            min_ms=min(mine),
            ratio=ratio,
            ratio_quartiles=quartiles,
            rounds=len(turns),
            quiet_rounds=len(self._quiet(part)) if known else None,
            others=statistics.median(known) if known else None,
            quiet=self.is_quiet(part),
            goal=self.goals.get((part, name)),
        )

    def medians_ms(self, part: str) -> dict[str, float]:
        """Median latency of every competitor, over the rounds that count."""
        return {row.name: row.median_ms for row in self.rows() if row.part == part}

    def pairs(self, part: str, over: str, under: str) -> list[float]:
        """Latency of `over` by that of `under`, for every round that counts."""
        over, under = self.turns[part, over], self.turns[part, under]
        return [over[i].latency_ms / under[i].latency_ms for i in self._kept(part)]

    def _quiet(self, part: str) -> list[int]:
        columns = [turns for (p, _), turns in self.turns.items() if p == part]
        return [i for i, row in enumerate(zip(*columns, strict=True)) if are_quiet(row)]

    def is_quiet(self, part: str) -> bool:
        """Whether enough rounds were quiet for the ratios to be believed."""
        return len(self._quiet(part)) >= min(MIN_QUIET_ROUNDS, self.wanted_rounds)

    def _kept(self, part: str) -> list[int]:
        """The quiet rounds; all of them when there were too few."""
        if self.is_quiet(part):
            return self._quiet(part)
        return list(
            range(len(next(t for (p, _), t in self.turns.items() if p == part)))
        )

    def agreement(self, part: str, name: str) -> float | None:
        """Largest difference to the reference's output over its largest value."""
        mine = self.outputs[part, name]
        reference = self.outputs.get((part, self.reference))
        if reference is None or mine.shape != reference.shape:
            return None
        scale = float(np.abs(reference.sample).max())
        return float(np.abs(mine.sample - reference.sample).max()) / scale

    def table(self) -> str:
        """The comparison as text: machine, rows, and what to hold against them."""
        lines = [self.title, *machine_lines(self.machine), ""]
        header = ("part", "competitor", "median ms", "min ms", "ratio", "quartiles")
        cells = [(*header, "quiet", "others", "goal")]
        cells += [_cells(row) for row in self.rows()]
        lines += columns(cells)
        lines += ["", f"ratio: latency of '{self.reference}' over the row's, by pairs."]
        lines += [
            f"BUSY: {part}: too few quiet rounds, so all rounds are shown; a busy "
            "machine flatters TensorFlow: no result, repeat on an idle one."
            for part in dict.fromkeys(part for part, _ in self.turns)
            if not self.is_quiet(part)
        ]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Everything measured, as JSON-able values."""
        return {
            "title": self.title,
            "reference": self.reference,
            "threads": self.threads,
            "one_process": self.one_process,
            "machine": dict(self.machine),
            "rows": [vars(row) for row in self.rows()],
            "outputs": [
                {
                    "part": part,
                    "name": name,
                    "shape": output.shape,
                    "deviation": output.deviation,
                    "difference_to_reference": self.agreement(part, name),
                }
                for (part, name), output in self.outputs.items()
            ],
            "turns": [
                {"part": part, "name": name, "turns": [vars(turn) for turn in turns]}
                for (part, name), turns in self.turns.items()
            ],
        }


def _cells(row: Row) -> tuple[str, ...]:
    ratio = quartiles = goal = ""
    if row.ratio is not None:
        ratio = f"{row.ratio:.2f}" if row.quiet else f"busy {row.ratio:.2f}"
        quartiles = "{:.2f}-{:.2f}".format(*row.ratio_quartiles)
    if row.goal is not None:
        met = row.ratio is not None and row.ratio >= row.goal
        verdict = ("met" if met else "missed") if row.quiet else "not judged"
        goal = f">= {row.goal:g} {verdict}"
    return (
        row.part,
        row.name,
        f"{row.median_ms:.1f}",
        f"{row.min_ms:.1f}",
        ratio,
        quartiles,
        f"{row.quiet_rounds}/{row.rounds}" if row.quiet_rounds is not None else "?",
        f"{row.others:.0%}" if row.others is not None else "?",
        goal,
    )


def columns(cells: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table; the first row is the header, the first two columns words."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        texts = [
            text.ljust(width) if i < 2 or i == len(row) - 1 else text.rjust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(texts).rstrip())
    return [lines[0], "-" * len(lines[0]), *lines[1:]]
