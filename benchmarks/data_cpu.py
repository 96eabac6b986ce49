"""Input pipelines on one core: ours, albumentations with OpenCV, Pillow with NumPy.

    python -m benchmarks.data_cpu [--quick] [--json FILE]

What is measured is CPU time per sample, of all threads of a process, so what others do
on the machine matters little; pipelines take turns, ratios are of turns side by side.
All scale by a random factor, crop, mirror and, where images are float32, normalise, and
give batches. "ours" interpolates as albumentations does by default, bilinear without
antialiasing. With antialiasing: "ours published" is bicubic, as in the published runs
and in "pillow", which cannot do without; "albumentations area" averages what shrinks.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import harness
from benchmarks.data import peers
from benchmarks.data.scenario import SCENARIOS, Scenario, write

REFERENCE = "albumentations"
# A pipeline that works ahead has to be done with that when a turn ends.
IDLE_SECONDS = 0.03


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    harness.add_arguments(parser, threads=1, rounds=15, minutes=20)
    parser.add_argument("--batch-size", type=int, default=4, help="samples (4)")
    parser.add_argument("--count", type=int, help="pictures of each kind (8; quick 2)")
    parser.add_argument(
        "--p", type=float, default=1.0, help="probability of scaling a sample (1)"
    )
    parser.add_argument(
        "--scenarios",
        nargs="+",
        choices=[scenario.name for scenario in SCENARIOS],
        help="which (all)",
    )
    args = parser.parse_args()
    scenarios = [s for s in SCENARIOS if not args.scenarios or s.name in args.scenarios]
    with tempfile.TemporaryDirectory() as root:
        for scenario in scenarios:
            harness.progress(f"writing {scenario.folder}")
            write(scenario, Path(root), args.count or (2 if args.quick else 8))
        comparison = compare(args, root, scenarios)
    print(comparison.table())
    print("ms: CPU time per sample, all threads.")
    harness.write_json(comparison.to_dict(), args.json)


def compare(
    args: argparse.Namespace, root: str, scenarios: list[Scenario]
) -> harness.Comparison:
    """Every pipeline's CPU time per sample, in turns."""
    shared = {"root": root, "scenarios": scenarios, "batch_size": args.batch_size}
    plain = {"method": "bilinear", "antialias": False}
    rows = (
        ("ours", peers.ours, plain),
        ("ours published", peers.ours, {"method": "bicubic"}),
        (REFERENCE, peers.albumentations, {}),
        ("albumentations area", peers.albumentations, {"area": True}),
        ("pillow", peers.pillow, {}),
    )
    competitors = [
        harness.Competitor(
            name=name,
            factory=factory,
            arguments={**shared, **options, "p": args.p},
        )
        for name, factory, options in rows
    ]
    machine = harness.describe_machine(args.threads)
    wanted = args.rounds or (2 if args.quick else args.default_rounds)
    turns: dict[tuple[str, str], list[harness.Turn]] = {
        (s.name, c.name): [] for s in scenarios for c in competitors
    }
    outputs = {}
    end = time.perf_counter() + 60 * args.minutes
    with harness.Processes(competitors, args.threads, args.one_process) as processes:
        for competitor in competitors:
            harness.progress(f"setting up {competitor.name}")
            for part, output in processes.build(competitor.name).items():
                outputs[part, competitor.name] = output
        for i in range(wanted):
            for part in (s.name for s in scenarios):
                shift = i % len(competitors)
                for competitor in competitors[shift:] + competitors[:shift]:
                    cpu_ms = processes.apply(
                        competitor.name, part, cpu_turn, args.batch_size
                    )
                    turn = harness.Turn(cpu_ms, None)
                    turns[part, competitor.name].append(turn)
            harness.progress(f"round {i + 1} of {wanted}")
            if time.perf_counter() > end:
                break
    goals = {(s.name, "ours"): s.goal for s in scenarios if s.goal and not args.quick}
    return harness.Comparison(
        title=f"CPU time per sample, batch {args.batch_size}, scaled with p={args.p:g}",
        reference=REFERENCE,
        threads=args.threads,
        one_process=args.one_process,
        machine=machine,
        turns=turns,
        outputs=outputs,
        goals=goals,
        wanted_rounds=wanted,
    )


def cpu_turn(step: Callable[[], Any], batch_size: int, seconds: float = 0.4) -> float:
    """CPU milliseconds per sample of the calls that fill about `seconds`."""
    step()
    begin, wall = idle_cpu_seconds(), time.perf_counter()
    count = 0
    while not count or time.perf_counter() - wall < seconds:
        step()
        count += 1
    return 1e3 * (idle_cpu_seconds() - begin) / (count * batch_size)


def idle_cpu_seconds() -> float:
    """CPU time of this process, once its threads have nothing to do."""
    seconds, idle = time.process_time(), 0
    # On a shared core a thread may wait for others and not for work.
    while idle < 3:
        time.sleep(IDLE_SECONDS)
        now = time.process_time()
        # Threads that wait look around now and then.
        idle = idle + 1 if now - seconds < 0.1 * IDLE_SECONDS else 0
        seconds = now
    return seconds


if __name__ == "__main__":
    main()
