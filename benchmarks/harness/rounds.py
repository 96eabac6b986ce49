"""Rounds of turns, and the options that steer them."""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.comparison import Comparison
from benchmarks.harness.machine import describe_machine
from benchmarks.harness.processes import Competitor, Output, Processes
from benchmarks.harness.turns import TURN_SECONDS, Turn, are_quiet, wait_for_quiet

# A turn that was not quiet is taken again, so often, after waiting for quiet. The
# reason is always what others did, never how long the turn took.
TRIES = 4


def add_arguments(
    parser: argparse.ArgumentParser,
    *,
    threads: int | Sequence[int] = 2,
    rounds: int = 15,
    minutes: float = 6,
) -> None:
    """The options that every comparison has.

    Args:
        parser: To add them to.
        threads: Of each competitor by default; several where the program runs them one
            after the other.
        rounds: Quiet rounds wanted by default.
        minutes: Taking turns for so long at most by default.
    """
    parser.add_argument(
        "--quick",
        action="store_true",
        help="few rounds, small size: a check, no result",
    )
    parser.add_argument("--json", type=Path, help="also write every number here")
    several = not isinstance(threads, int)
    shown = " ".join(map(str, threads)) if several else threads
    parser.add_argument(
        "--threads",
        type=int,
        nargs="+" if several else None,
        default=threads,
        help=f"for each (default {shown})",
    )
    parser.add_argument(
        "--rounds", type=int, help=f"quiet rounds wanted ({rounds}; quick 3)"
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=minutes,
        help=f"of taking turns at most (default {minutes})",
    )
    parser.add_argument(
        "--one-process", action="store_true", help="all competitors in one process"
    )
    parser.set_defaults(default_rounds=rounds)


def compare(
    competitors: Sequence[Competitor],
    args: argparse.Namespace,
    *,
    title: str,
    reference: str,
    goals: Mapping[tuple[str, str], float] | None = None,
    turn_seconds: float = TURN_SECONDS,
) -> Comparison:
    """Time the competitors in turns, under the options of `add_arguments`.

    Args:
        competitors: At least two, with names of their own.
        args: Parsed `add_arguments`.
        title: First line of the table.
        reference: Name of the competitor that ratios are against.
        goals: (part, competitor name) to the ratio aimed for; printed, never used.
        turn_seconds: About how long a turn is.

    Raises:
        RuntimeError: If a competitor fails, with what its process said, or if an output
            is not finite or vanishes, which would time denormal arithmetic.
        ValueError: If competitors of one part return different shapes.
    """
    machine = describe_machine(args.threads)
    wanted = args.rounds or (3 if args.quick else args.default_rounds)
    outputs: dict[tuple[str, str], Output] = {}
    with Processes(competitors, args.threads, args.one_process) as processes:
        for competitor in competitors:
            progress(f"setting up {competitor.name}")
            for part, output in processes.build(competitor.name).items():
                outputs[part, competitor.name] = output
        _check_outputs(outputs)
        turns = _take_turns(processes, outputs, wanted, args.minutes, turn_seconds)
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
    write_json(comparison.to_dict(), args.json)


def write_json(values: Mapping[str, Any], path: Path | None) -> None:
    """Write values to a file, unless there is no path."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values, indent=1) + "\n")


def quiet_turn(
    processes: Processes,
    name: str,
    part: str,
    end: float,
    turn_seconds: float = TURN_SECONDS,
) -> Turn:
    """A turn, again if others used the machine meanwhile; the last try is returned.

    Args:
        processes: In which the competitor was built.
        name: Competitor.
        part: Which of its steps.
        end: No more tries after this value of `time.perf_counter`.
        turn_seconds: About how long a turn is.
    """
    for left in reversed(range(TRIES)):
        turn = processes.turn(name, part, turn_seconds)
        if are_quiet([turn]) or not left or time.perf_counter() > end:
            break
        wait_for_quiet()
    return turn


def _take_turns(
    processes: Processes, outputs, wanted: int, minutes: float, turn_seconds: float
) -> dict[tuple[str, str], list[Turn]]:
    parts = list(dict.fromkeys(part for part, _ in outputs))
    # Part by part, as the table shows them.
    keys = sorted(outputs, key=lambda key: parts.index(key[0]))
    turns: dict[tuple[str, str], list[Turn]] = {key: [] for key in keys}
    end = time.perf_counter() + 60 * minutes
    for done, part in enumerate(parts):
        # What a part leaves of its share is the others'.
        begin = time.perf_counter()
        part_end = begin + (end - begin) / (len(parts) - done)
        names = [name for p, name in outputs if p == part]
        quiet = i = 0
        while quiet < wanted and (i == 0 or time.perf_counter() < part_end):
            shift = i % len(names)
            row = []
            wait_for_quiet()
            for name in names[shift:] + names[:shift]:
                turn = quiet_turn(processes, name, part, part_end, turn_seconds)
                turns[part, name].append(turn)
                row.append(turn)
            quiet += are_quiet(row)
            i += 1
            progress(f"{part}: round {i}, {quiet} of {wanted} quiet ones")
    return turns


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


def progress(text: str) -> None:
    """Show what is being done, where somebody watches."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
