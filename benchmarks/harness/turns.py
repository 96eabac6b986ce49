"""One turn of one competitor, and whether others used the machine meanwhile."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TURN_SECONDS = 0.25
# A turn is quiet when all others used less than this share of its processors.
QUIET_SHARE = 0.10
WAIT_SECONDS = 3.0


@dataclass(frozen=True)
class Turn:
    """Milliseconds of one call, and what share of the processors others used."""

    latency_ms: float
    others: float | None


def take_turn(step: Callable[[], Any], turn_seconds: float = TURN_SECONDS) -> Turn:
    """One untimed call, then timed ones for about `turn_seconds`.

    A call that fills them alone is the turn: what it has to bring back takes no share
    of it worth another call.
    """
    turn = _timed(step, 1)
    if turn.latency_ms >= 1e3 * turn_seconds:
        return turn
    return _timed(step, max(1, round(1e3 * turn_seconds / turn.latency_ms)))


def _timed(step: Callable[[], Any], count: int) -> Turn:
    busy, own = _busy_seconds(), time.process_time()
    begin = time.perf_counter()
    for _ in range(count):
        step()
    seconds = time.perf_counter() - begin
    others = None
    if busy is not None:
        foreign = _busy_seconds() - busy - (time.process_time() - own)
        others = max(0.0, foreign / (seconds * len(processors())))
    return Turn(1e3 * seconds / count, others)


def are_quiet(turns: Sequence[Turn]) -> bool:
    """Whether nobody else used the machine during any of these turns."""
    return all(turn.others is None or turn.others < QUIET_SHARE for turn in turns)


def wait_for_quiet() -> None:
    """Wait for a tenth of a second in which nobody used the machine, within reason."""
    end = time.perf_counter() + WAIT_SECONDS
    while time.perf_counter() < end:
        busy, begin = _busy_seconds(), time.perf_counter()
        time.sleep(0.1)
        if busy is None:
            return
        share = (_busy_seconds() - busy) / (time.perf_counter() - begin)
        if share < QUIET_SHARE * len(processors()):
            return


def processors() -> list[int]:
    """Numbers of the processors that this process may use."""
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
    mine = {f"cpu{i}" for i in processors()}
    ticks = 0
    for line in lines:
        name, *values = line.split()
        if name in mine:
            user, nice, system, _, _, irq, softirq, steal = map(int, values[:8])
            ticks += user + nice + system + irq + softirq + steal
    return ticks / os.sysconf("SC_CLK_TCK")
