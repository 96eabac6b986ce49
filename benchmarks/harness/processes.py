"""The processes that competitors live in, and what may be asked of them."""

import multiprocessing
import os
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.harness.turns import TURN_SECONDS, Turn, take_turn

WARM_UP_CALLS = 3
# Slow steps warm up in fewer calls.
WARM_UP_SECONDS = 1.0
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
class Output:
    """What a part returned: shape as (B, H, W, C), spread, and a sample of values."""

    shape: tuple[int, ...]
    finite: bool
    deviation: float
    sample: np.ndarray


class Processes:
    """Competitors in processes of their own, started by `with`.

    Args:
        competitors: With names of their own.
        threads: Of each; it may use that many processors.
        one_process: All in one process.

    Raises:
        RuntimeError: From any method, if a competitor fails, with what it said.
    """

    def __init__(
        self, competitors: Sequence[Competitor], threads: int, one_process: bool = False
    ) -> None:
        self._competitors = competitors
        self._threads = threads
        self._one_process = one_process
        self._pipes: dict[str, Connection] = {}

    def __enter__(self) -> "Processes":
        # Frameworks talk a lot while loading; it is shown when something fails.
        self._folder = tempfile.TemporaryDirectory()
        self._log = Path(self._folder.name) / "stderr.txt"
        context = multiprocessing.get_context("spawn")
        one = self._one_process
        groups = [list(self._competitors)] if one else [[c] for c in self._competitors]
        for group in groups:
            here, there = context.Pipe()
            process = context.Process(
                target=_serve,
                args=(there, group, self._threads, self._log),
                daemon=True,
            )
            process.start()
            there.close()
            self._pipes.update({competitor.name: here for competitor in group})
        return self

    def __exit__(self, *_) -> None:
        for pipe in set(self._pipes.values()):
            pipe.close()
        self._folder.cleanup()

    def build(self, name: str) -> dict[str, Output]:
        """Call a competitor's factory and each of its steps; outputs by part."""
        return self._ask("build", name)

    def turn(self, name: str, part: str, turn_seconds: float = TURN_SECONDS) -> Turn:
        """Time a part of a competitor that was built."""
        return self.apply(name, part, take_turn, turn_seconds)

    def apply(self, name: str, part: str, function: Callable, *details) -> Any:
        """`function(step, *details)` in a competitor's process.

        Args:
            name: Competitor that was built.
            part: Which of its steps.
            function: Defined in a module; returns plain data, but no str.
            details: Plain data.
        """
        return self._ask("apply", name, part, function, *details)

    def _ask(self, question: str, name: str, *details) -> Any:
        self._pipes[name].send((question, name, *details))
        try:
            answer = self._pipes[name].recv()
        except EOFError:
            self._fail(f"the process of {name} ended:")
        if isinstance(answer, str):
            self._fail(f"{name} failed:\n{answer}")
        return answer

    def _fail(self, reason: str) -> None:
        words = self._log.read_text(errors="replace") if self._log.exists() else ""
        raise RuntimeError(f"{reason}\n{words[-4000:]}") from None


def _serve(
    connection: Connection, group: list[Competitor], threads: int, log: Path
) -> None:
    """Answer what `Processes` asks until the pipe closes."""
    with open(log, "ab", buffering=0) as words:
        os.dup2(words.fileno(), 2)
    limit_threads(threads)
    known = {competitor.name: competitor for competitor in group}
    steps: dict[str, Steps] = {}
    while True:
        try:
            question, name, *details = connection.recv()
        except (EOFError, KeyboardInterrupt):
            return
        try:
            if question == "build":
                competitor = known[name]
                steps[name] = competitor.factory(
                    threads=threads, **competitor.arguments
                )
                answer = {
                    part: _first_calls(step, competitor.channels_first)
                    for part, step in steps[name].items()
                }
            else:
                part, function, *details = details
                answer = function(steps[name][part], *details)
        except Exception:
            answer = traceback.format_exc()
        connection.send(answer)


def _first_calls(step: Callable[[], Any], channels_first: bool) -> Output:
    output = _describe(step(), channels_first)
    end = perf_counter() + WARM_UP_SECONDS
    for _ in range(WARM_UP_CALLS):
        if perf_counter() < end:
            step()
    return output


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


def limit_threads(threads: int) -> None:
    """Same processors and same number of threads for everybody in this process."""
    for name in ("OMP", "MKL", "OPENBLAS"):
        os.environ[f"{name}_NUM_THREADS"] = str(threads)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    os.environ["KERAS_BACKEND"] = "tensorflow"
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
