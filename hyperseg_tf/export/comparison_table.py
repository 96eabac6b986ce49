"""What a comparison of formats found: a table for people, JSON for programs."""

import json
import os
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from hyperseg_tf.base import machine
from hyperseg_tf.base.atomic import atomic_file
from hyperseg_tf.base.versions import versions
from hyperseg_tf.export.formats import FORMATS
from hyperseg_tf.export.parity import Parity

_MB = 2**20

_COLUMNS = (
    *("format", "MB", "load s", "first ms", "p50 ms", "p50 x", "p95 ms", "CPU ms"),
    *("CPU x", "pictures/s", "peak MB", "same class", "or as good", "mIoU"),
)

_NOTES = (
    "x: of the first row's, median over the rounds. MB: 2^20 bytes. The second column: "
    "the file or files.",
    "load: the import of the runtime's library included. first: the first answer. CPU: "
    "all threads together.",
    "peak: of the process, Python and the runtime's library included.",
    "same class: pixels of two generated scenes with the model's class; or as good: "
    "with it or another one that is as good within rounding.",
)
_BEYOND = "!: beyond the bounds of its precision; `hyperseg-tf export` would refuse it."
_RANDOM = "The weights are random: that classes agree says little about trained ones."


def _versions() -> dict[str, str]:
    return versions(
        *sorted({name for one in FORMATS.values() for name in one.packages})
    )


@dataclass(frozen=True)
class LeftOut:
    """A format that is not in the table, and why."""

    format: str
    precision: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One export, or the model itself.

    Attributes:
        bytes: Size of the file or files.
        load_seconds: From the import of the runtime's library until it could answer.
        first_seconds: The first answer's.
        seconds: Wall time of every timed answer, in order.
        cpu_seconds: Time of the processor, all threads together, likewise.
        peak_mb: Largest memory of the process after them.
        parity: Against the model.
    """

    bytes: int
    load_seconds: float
    first_seconds: float
    seconds: tuple[float, ...]
    cpu_seconds: tuple[float, ...]
    peak_mb: float
    parity: Parity

    @property
    def name(self) -> str:
        """Format and precision."""
        options = self.parity.options
        return f"{options.format.name} {options.precision}"

    @property
    def pictures_per_second(self) -> float:
        """Of the timed answers."""
        return self.parity.options.batch * len(self.seconds) / sum(self.seconds)

    @property
    def agreement(self) -> float:
        """The lowest of the scenes; 0 where an answer is of another shape or kind."""
        return min(row.agreement for row in self.parity.rows)

    @property
    def same(self) -> float:
        """Share of the pixels with the model's class, likewise."""
        return min(row.same for row in self.parity.rows)

    @property
    def beyond(self) -> list[str]:
        """What the gate of `export` would not let pass.

        Of integers without labelled pictures nothing: the scenes need not be like those
        that the ranges were taken from.
        """
        if self.parity.options.quantized and self.parity.score is None:
            return []
        return self.parity.failures()


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Exports of one model at one size.

    Attributes:
        model: Name of the preset, or the file.
        random_weights: Whether nothing was trained.
        size: (height, width) of the pictures.
        batch: Pictures per answer.
        threads: Of each runtime; None where it chose.
        warm_up: Rounds before the timed ones.
        load_before: Of the machine, before anything was exported; None: unknown.
        load_after: After the last round.
        entries: The model itself first.
        left_out: What could not be exported or run.
    """

    model: str
    random_weights: bool
    size: tuple[int, int]
    batch: int
    threads: int | None
    warm_up: int
    load_before: float | None
    load_after: float | None
    entries: tuple[Entry, ...]
    left_out: tuple[LeftOut, ...]
    processor: str = field(default_factory=machine.processor)
    cores: int = field(default_factory=machine.usable_cores)
    versions: dict[str, str] = field(default_factory=_versions)

    def table(self) -> str:
        """Markdown, after lines on what was measured and where."""
        calls = len(self.entries[0].seconds)
        threads = self.threads or "as each runtime chooses"
        lines = [
            f"{self.model} at {self.size[0]}x{self.size[1]}, batch {self.batch}, uint8 "
            f"pictures to logits; {calls} rounds after {self.warm_up} to warm up, in "
            "each of which every row answers once",
            f"{self.processor}, {self.cores} cores; threads: {threads}; load "
            f"{_text(self.load_before, '.2f')} before, {_text(self.load_after, '.2f')} "
            "after",
            ", ".join(f"{name} {found}" for name, found in self.versions.items()),
            "",
            f"| {' | '.join(_COLUMNS)} |",
            f"|---|{'---:|' * (len(_COLUMNS) - 1)}",
        ]
        lines += [f"| {' | '.join(self._cells(one))} |" for one in self.entries]
        lines += [""]
        lines += self._left_out()
        lines += _NOTES
        lines += [_BEYOND] if any(one.beyond for one in self.entries) else []
        lines += [_RANDOM] if self.random_weights else []
        return "\n".join(lines)

    def as_data(self) -> dict:
        """JSON-able, every timed answer included."""
        found = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return found | {
            "entries": [self._entry(one) for one in self.entries],
            "left_out": [asdict(one) for one in self.left_out],
        }

    def write_json(self, path: str | os.PathLike) -> None:
        """Write `as_data`, atomically."""
        with atomic_file(path) as temporary:
            text = json.dumps(self.as_data(), indent=2, allow_nan=False)
            temporary.write_text(text + "\n", "utf-8")

    def ratio(self, one: Entry, what: str = "seconds") -> float:
        """Of "seconds" or "cpu_seconds" to the first row's, median over the rounds."""
        pairs = zip(getattr(one, what), getattr(self.entries[0], what), strict=True)
        return statistics.median(mine / base for mine, base in pairs)

    def _left_out(self) -> list[str]:
        """A line for each reason."""
        by_reason = {}
        for one in self.left_out:
            names = by_reason.setdefault(one.reason, [])
            names.append(f"{one.format} {one.precision}")
        return [
            f"left out: {', '.join(names)}: {reason}"
            for reason, names in by_reason.items()
        ]

    def _cells(self, one: Entry) -> list[str]:
        score = one.parity.score
        faults = [row.fault for row in one.parity.rows if row.fault]
        mark = " !" if one.beyond else ""
        return [
            f"{one.name}{mark}",
            f"{one.bytes / _MB:.1f}",
            f"{one.load_seconds:.2f}",
            f"{1000 * one.first_seconds:.0f}",
            f"{_percentile(one.seconds, 50):.1f}",
            f"{self.ratio(one):.2f}",
            f"{_percentile(one.seconds, 95):.1f}",
            f"{_percentile(one.cpu_seconds, 50):.1f}",
            f"{self.ratio(one, 'cpu_seconds'):.2f}",
            f"{one.pictures_per_second:.1f}",
            f"{one.peak_mb:.0f}",
            f"{100 * one.same:.3f} %",
            faults[0] if faults else f"{100 * one.agreement:.3f} %",
            "-" if score is None else f"{score.export:.2f} %",
        ]

    def _entry(self, one: Entry) -> dict:
        options = one.parity.options
        parity = one.parity.as_data()
        return {
            "format": options.format.name,
            "precision": options.precision,
            "bytes": one.bytes,
            "load_s": one.load_seconds,
            "first_ms": 1000 * one.first_seconds,
            "latency_p50_ms": _percentile(one.seconds, 50),
            "latency_p95_ms": _percentile(one.seconds, 95),
            "latency_ratio": self.ratio(one),
            "cpu_p50_ms": _percentile(one.cpu_seconds, 50),
            "cpu_ratio": self.ratio(one, "cpu_seconds"),
            "pictures_per_s": one.pictures_per_second,
            "peak_mb": one.peak_mb,
            "same": one.same,
            "agreement": one.agreement,
            "scenes": parity["scenes"],
            "miou": parity["miou"],
            "beyond": one.beyond,
            "latencies_ms": [1000 * value for value in one.seconds],
            "cpu_ms": [1000 * value for value in one.cpu_seconds],
        }


def _percentile(seconds: Sequence[float], percent: float) -> float:
    """Milliseconds."""
    return 1000 * float(np.percentile(seconds, percent))


def _text(value: float | None, style: str) -> str:
    return "unknown" if value is None else format(value, style)
