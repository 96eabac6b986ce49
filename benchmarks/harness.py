"""Paired timing of competitors that do the same work.

What is worth knowing before editing:

* Competitors take turns, A B A B ..., and a ratio is formed inside each round, so that
  a machine that slows down slows both halves of a pair. The order rotates from round to
  round. A turn is one untimed call, which brings caches and threads back, and as many
  timed calls as fill `TURN_SECONDS`; its result is their mean.
* Every competitor lives in a process of its own, on the same processors, and waits on
  a pipe while another works. TensorFlow and PyTorch bring a thread pool and an
  allocator each; in one process whichever is imported first decides for both (OpenMP
  variables, denormal handling), and their memory adds up. `--one-process` puts all of
  them into one process instead, to see what that does.
* Other programs on the machine do not slow everybody alike. On two busy cores PyTorch's
  fork-and-join loops, which wait for the slowest thread, were seen to lose far more
  than TensorFlow's pool, which hands work to whichever thread is free: forming pairs
  does not undo that. Where /proc/stat tells, the share of the processors used by
  anybody else is recorded with every turn. A turn waits a little for quiet and is taken
  again when disturbed; only rounds of quiet turns count, and without enough of them no
  verdict is given.

Nothing here imports a framework: that is up to the factories, in their own processes.
"""

import argparse
import importlib.metadata
import json
import multiprocessing
import os
import platform
import statistics
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

TURN_SECONDS = 0.25
WARM_UP_CALLS = 3
# A turn is quiet when all others used less than this share of its processors.
QUIET_SHARE = 0.10
# A turn that was not quiet is taken again, so often, after waiting so long for quiet.
# The reason is always what others did, never how long the turn took.
TRIES = 4
WAIT_SECONDS = 3.0
MIN_QUIET_ROUNDS = 5
PACKAGES = ("numpy", "tensorflow", "keras", "torch", "efficientnet-pytorch")
# A sample of an output, for comparing values, has at most about this many numbers.
SAMPLE_VALUES = 200_000

Steps = Mapping[str, Callable[[], Any]]


@dataclass(frozen=True, kw_only=True)
class Competitor:
    """One way to do the work.

    Args:
        name: Row label.
        factory: Module-level function, called as `factory(threads=n, **arguments)` in
            the competitor's process. Returns the parts it can time: name to a function
            without arguments that returns when the work is done, with an array or a
            sequence of arrays.
        arguments: Keyword arguments of `factory`; sent to the process, so plain data.
        channels_first: Outputs are (B, C, H, W) and not (B, H, W, C).
    """

    name: str
    factory: Callable[..., Steps]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    channels_first: bool = False


@dataclass(frozen=True)
class Turn:
    """Milliseconds of one call, and what share of the processors others used."""

    latency_ms: float
    others: float | None


@dataclass(frozen=True)
class Output:
    """What a part returned: shape as (B, H, W, C), spread, and a sample of values."""

    shape: tuple[int, ...]
    finite: bool
    deviation: float
    sample: np.ndarray


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
        reference = self.turns.get((part, self.reference))
        ratio = quartiles = None
        if reference is not None:
            pairs = [reference[i].latency_ms / turns[i].latency_ms for i in kept]
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

    def _quiet(self, part: str) -> list[int]:
        columns = [turns for (p, _), turns in self.turns.items() if p == part]
        return [i for i, row in enumerate(zip(*columns, strict=True)) if _is_quiet(row)]

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
        lines = [self.title, *_machine_lines(self.machine), ""]
        header = ("part", "competitor", "median ms", "min ms", "ratio", "quartiles")
        cells = [(*header, "quiet", "others", "goal")]
        cells += [_cells(row) for row in self.rows()]
        lines += _columns(cells)
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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that every benchmark has."""
    parser.add_argument(
        "--quick",
        action="store_true",
        help="few rounds, small size: a check, no result",
    )
    parser.add_argument("--json", type=Path, help="also write every number here")
    parser.add_argument("--threads", type=int, default=2, help="for each (default 2)")
    parser.add_argument("--rounds", type=int, help="quiet rounds wanted (15; quick 3)")
    parser.add_argument(
        "--minutes", type=float, default=6, help="of taking turns at most (default 6)"
    )
    parser.add_argument(
        "--one-process", action="store_true", help="all competitors in one process"
    )


def compare(
    competitors: Sequence[Competitor],
    args: argparse.Namespace,
    *,
    title: str,
    reference: str,
    goals: Mapping[tuple[str, str], float] | None = None,
) -> Comparison:
    """Time the competitors in turns, under the options of `add_arguments`.

    Args:
        competitors: At least two, with names of their own.
        args: Parsed `add_arguments`.
        title: First line of the table.
        reference: Name of the competitor that ratios are against.
        goals: (part, competitor name) to the ratio aimed for; printed, never used.

    Raises:
        RuntimeError: If a competitor fails, with what its process said, or if an output
            is not finite or vanishes, which would time denormal arithmetic.
        ValueError: If competitors of one part return different shapes.
    """
    machine = describe_machine(args.threads)
    wanted = args.rounds or (3 if args.quick else 15)
    with tempfile.TemporaryDirectory() as folder:
        # Frameworks talk a lot while loading; it is shown when something fails.
        log = Path(folder) / "stderr.txt"
        turns, outputs = _measure(competitors, args, wanted, log)
    return Comparison(
        title=title,
        reference=reference,
        threads=args.threads,
        one_process=args.one_process,
        machine=machine,
        turns=turns,
        outputs=outputs,
        goals=goals or {},
        wanted_rounds=wanted,
    )


def report(comparison: Comparison, args: argparse.Namespace) -> None:
    """Print the table, and write the JSON file if one was asked for."""
    print(comparison.table())
    if args.json is not None:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(comparison.to_dict(), indent=1) + "\n")


def _measure(competitors, args, wanted: int, log: Path):
    processes = _start(competitors, args.threads, args.one_process, log)
    try:
        outputs = {}
        for name, connection in processes.items():
            _progress(f"setting up {name}")
            for part, output in _ask(connection, ("build", name), name).items():
                outputs[part, name] = output
        _check_outputs(outputs)
        return _take_turns(processes, outputs, wanted, args.minutes), outputs
    except _CompetitorFailed as failure:
        words = log.read_text(errors="replace") if log.exists() else ""
        raise RuntimeError(f"{failure}\n{words[-4000:]}") from None
    finally:
        for connection in set(processes.values()):
            connection.close()


def _take_turns(
    processes, outputs, wanted: int, minutes: float
) -> dict[tuple[str, str], list[Turn]]:
    parts = list(dict.fromkeys(part for part, _ in outputs))
    # Part by part, as the table shows them.
    keys = sorted(outputs, key=lambda key: parts.index(key[0]))
    turns: dict[tuple[str, str], list[Turn]] = {key: [] for key in keys}
    for part in parts:
        end = time.perf_counter() + 60 * minutes / len(parts)
        names = [name for p, name in outputs if p == part]
        quiet = i = 0
        while quiet < wanted and (i == 0 or time.perf_counter() < end):
            shift = i % len(names)
            row = []
            for name in names[shift:] + names[:shift]:
                turn = _quiet_turn(processes[name], name, part, end)
                turns[part, name].append(turn)
                row.append(turn)
            quiet += _is_quiet(row)
            i += 1
            _progress(f"{part}: round {i}, {quiet} of {wanted} quiet ones")
    return turns


def _quiet_turn(connection: Connection, name: str, part: str, end: float) -> Turn:
    """A turn, again if others used the machine meanwhile; the last try is returned."""
    for _ in range(TRIES):
        _wait_for_quiet()
        turn = _ask(connection, ("turn", name, part), name)
        if _is_quiet([turn]) or time.perf_counter() > end:
            break
    return turn


def _wait_for_quiet() -> None:
    """Wait for a tenth of a second in which nobody used the machine, within reason."""
    end = time.perf_counter() + WAIT_SECONDS
    while time.perf_counter() < end:
        busy, begin = _busy_seconds(), time.perf_counter()
        time.sleep(0.1)
        if busy is None:
            return
        share = (_busy_seconds() - busy) / (time.perf_counter() - begin)
        if share < QUIET_SHARE * len(_processors()):
            return


def _is_quiet(turns: Sequence[Turn]) -> bool:
    return all(turn.others is None or turn.others < QUIET_SHARE for turn in turns)


def _check_outputs(outputs: Mapping[tuple[str, str], Output]) -> None:
    for part in dict.fromkeys(part for part, _ in outputs):
        found = {name: out.shape for (p, name), out in outputs.items() if p == part}
        if len(set(found.values())) > 1:
            raise ValueError(f"competitors must do the same work: {part} gave {found}.")
    for (part, name), output in outputs.items():
        if not output.finite or not 1e-6 < output.deviation < 1e6:
            raise RuntimeError(
                f"{name}, {part}: values must be of ordinary size, or special cases of "
                f"the arithmetic are timed: got a deviation of {output.deviation:g}; "
                "give it healthier weights."
            )


# ---- The competitor's own process.


class _CompetitorFailed(Exception):
    """A competitor's process answered with a traceback, or not at all."""


def _start(
    competitors: Sequence[Competitor], threads: int, one_process: bool, log: Path
) -> dict[str, Connection]:
    """Start the processes; returns the pipe to each competitor."""
    context = multiprocessing.get_context("spawn")
    groups = [list(competitors)] if one_process else [[c] for c in competitors]
    pipes = {}
    for group in groups:
        here, there = context.Pipe()
        process = context.Process(
            target=_serve, args=(there, group, threads, log), daemon=True
        )
        process.start()
        there.close()
        for competitor in group:
            pipes[competitor.name] = here
    return pipes


def _ask(connection: Connection, question: tuple, name: str) -> Any:
    connection.send(question)
    try:
        answer = connection.recv()
    except EOFError:
        raise _CompetitorFailed(f"the process of {name} ended:") from None
    if isinstance(answer, str):
        raise _CompetitorFailed(f"{name} failed:\n{answer}")
    return answer


def _serve(
    connection: Connection, group: list[Competitor], threads: int, log: Path
) -> None:
    """Answer ("build", name) and ("turn", name, part) until the pipe closes."""
    with open(log, "ab", buffering=0) as words:
        os.dup2(words.fileno(), 2)
    _limit_threads(threads)
    known = {competitor.name: competitor for competitor in group}
    steps: dict[str, Steps] = {}
    while True:
        try:
            kind, name, *part = connection.recv()
        except (EOFError, KeyboardInterrupt):
            return
        try:
            if kind == "build":
                competitor = known[name]
                steps[name] = competitor.factory(
                    threads=threads, **competitor.arguments
                )
                answer = {
                    key: _describe(step(), competitor.channels_first)
                    for key, step in steps[name].items()
                }
                for step in steps[name].values():
                    for _ in range(WARM_UP_CALLS):
                        step()
            else:
                answer = _turn(steps[name][part[0]])
        except Exception:
            answer = traceback.format_exc()
        connection.send(answer)


def _turn(step: Callable[[], Any]) -> Turn:
    """One untimed call, then timed ones for about TURN_SECONDS."""
    begin = time.perf_counter()
    step()
    count = max(1, round(TURN_SECONDS / (time.perf_counter() - begin)))
    busy, own = _busy_seconds(), time.process_time()
    begin = time.perf_counter()
    for _ in range(count):
        step()
    seconds = time.perf_counter() - begin
    others = None
    if busy is not None:
        foreign = _busy_seconds() - busy - (time.process_time() - own)
        others = max(0.0, foreign / (seconds * len(_processors())))
    return Turn(1e3 * seconds / count, others)


def _describe(value: Any, channels_first: bool) -> Output:
    if isinstance(value, list | tuple):
        value = value[-1]
    array = np.asarray(value)
    if channels_first and array.ndim == 4:
        array = array.transpose(0, 2, 3, 1)
    step = max(1, round((array.size / SAMPLE_VALUES) ** 0.5))
    sample = np.ascontiguousarray(array[:, ::step, ::step], dtype=np.float32)
    return Output(
        shape=array.shape,
        finite=bool(np.isfinite(array).all()),
        deviation=float(array.std(dtype=np.float64)),
        sample=sample,
    )


def _limit_threads(threads: int) -> None:
    """Same processors and same number of threads for everybody in this process."""
    for name in ("OMP", "MKL", "OPENBLAS"):
        os.environ[f"{name}_NUM_THREADS"] = str(threads)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    os.environ["KERAS_BACKEND"] = "tensorflow"
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def _processors() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _busy_seconds() -> float | None:
    """Seconds that this process's processors worked for anybody, stolen ones included.

    None where the system has no /proc/stat.
    """
    try:
        lines = Path("/proc/stat").read_text().splitlines()
    except OSError:
        return None
    mine = {f"cpu{i}" for i in _processors()}
    ticks = 0
    for line in lines:
        name, *values = line.split()
        if name in mine:
            user, nice, system, _, _, irq, softirq, steal = map(int, values[:8])
            ticks += user + nice + system + irq + softirq + steal
    return ticks / os.sysconf("SC_CLK_TCK")


# ---- Words.


def describe_machine(threads: int) -> dict[str, Any]:
    """Processor, cores, load before the start, and versions."""
    model, flags = platform.processor() or platform.machine(), []
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                model = value.strip()
            if key.strip() == "flags":
                flags = value.split()
    except OSError:
        pass
    wanted = ("avx2", "avx512f", "avx512_bf16", "amx_tile")
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "cpu": model,
        "instructions": [flag for flag in wanted if flag in flags],
        "cores": os.cpu_count(),
        "cores_usable": len(_processors()),
        "threads": threads,
        "load_average_1min": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.release()}",
        "versions": versions,
    }


def _machine_lines(machine: Mapping[str, Any]) -> list[str]:
    versions = ", ".join(f"{k} {v}" for k, v in machine["versions"].items())
    instructions = " ".join(machine["instructions"]) or "unknown"
    return [
        f"{machine['cpu']} ({instructions}), {machine['cores_usable']} of "
        f"{machine['cores']} cores usable, {machine['threads']} threads each, load "
        f"before the start {machine['load_average_1min']}, {machine['system']}",
        versions,
    ]


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


def _columns(cells: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        texts = [
            text.ljust(width) if i < 2 or i == len(row) - 1 else text.rjust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(texts).rstrip())
    return [lines[0], "-" * len(lines[0]), *lines[1:]]


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
