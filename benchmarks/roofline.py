"""Draw blocks under the measured roofs, from the JSON file of `blocks_cpu`.

    python -m benchmarks.roofline --from blocks.json --out docs/images/roofline.png

A point is an inverted residual block: its counted FLOPs over its counted bytes, and its
FLOPs over the time measured. Fused and XLA do the same work and stand above each other;
the static block has no weights to generate and no halo, so its work is its own.
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.blocks.work import Roofs

# Way -> colour and marker.
STYLES = {
    "fused": ("#1b6ca8", "o"),
    "xla": ("#d1495b", "s"),
    "static": ("#8a8d91", "^"),
}


@dataclass(frozen=True)
class Point:
    """One block in one way: FLOPs per byte and FLOPs per second."""

    label: str
    intensity: float
    flops_per_second: float


def main() -> None:
    """Read, draw, and say where the picture is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--from", dest="source", type=Path, required=True, help="JSON of blocks_cpu"
    )
    parser.add_argument("--out", type=Path, required=True, help="picture to write")
    parser.add_argument(
        "--threads", type=int, help="which run to draw (default: the most threads)"
    )
    args = parser.parse_args()
    data = json.loads(args.source.read_text())
    try:
        draw(choose_run(data, args.threads), args.out)
    except ValueError as error:
        parser.error(f"{args.source}: {error}")
    print(args.out)


def choose_run(data: Mapping[str, Any], threads: int | None = None) -> dict[str, Any]:
    """The run with that many threads; without a number, that with the most.

    Raises:
        ValueError: There is none, or the file is of another program.
    """
    if data.get("benchmark") != "blocks_cpu":
        raise ValueError("must be written by benchmarks.blocks_cpu --json.")
    runs = {run["threads"]: run for run in data["runs"]}
    chosen = max(runs, default=None) if threads is None else threads
    if chosen not in runs:
        raise ValueError(f"has runs of {sorted(runs)} threads, none of {threads}.")
    return runs[chosen]


def points(run: Mapping[str, Any], way: str) -> list[Point]:
    """The inverted residuals of a run in one way, coarse to fine."""
    found = []
    for block in run["blocks"]:
        if not block["residual"]:
            continue
        work = block["static_work" if way == "static" else "work"]
        seconds = block["median_ms"][way] / 1e3
        found.append(Point(block["label"], work["intensity"], work["flops"] / seconds))
    return found


def draw(run: Mapping[str, Any], path: Path) -> None:
    """Write the picture of a run."""
    from matplotlib.figure import Figure

    limits = Roofs(**run["roofs"])
    ways = {way: points(run, way) for way in STYLES}
    everything = [point for found in ways.values() for point in found]
    if not everything:
        raise ValueError("has no inverted residual block.")
    ridge = limits.flops_per_second / limits.bytes_per_second
    first = min(ridge, *(point.intensity for point in everything)) / 2
    last = max(ridge, *(point.intensity for point in everything)) * 2

    figure = Figure(figsize=(8.5, 5), layout="constrained")
    axes = figure.add_subplot()
    axes.loglog(
        [first, ridge, last],
        [
            first * limits.bytes_per_second / 1e9,
            limits.flops_per_second / 1e9,
            limits.flops_per_second / 1e9,
        ],
        color="black",
        linewidth=1.5,
        label=f"roofs: {limits.bytes_per_second / 1e9:.1f} GB/s, "
        f"{limits.flops_per_second / 1e9:.0f} GFLOP/s",
    )
    for way, (colour, marker) in STYLES.items():
        axes.plot(
            [point.intensity for point in ways[way]],
            [point.flops_per_second / 1e9 for point in ways[way]],
            marker,
            color=colour,
            markersize=6,
            label=way,
        )
    for i, point in enumerate(ways["fused"], start=1):
        axes.annotate(
            str(i),
            (point.intensity, point.flops_per_second / 1e9),
            xytext=(4, 4),
            textcoords="offset points",
            fontsize=7,
        )
    key = [f"{i:2d}  {point.label}" for i, point in enumerate(ways["fused"], start=1)]
    axes.text(1.02, 1.0, "\n".join(key), fontsize=7, va="top", transform=axes.transAxes)
    busy = "" if run["summary"]["quiet"] else ", BUSY: no result"
    axes.set_title(
        f"Inverted residual blocks, batch 1, float32, threads: {run['threads']}{busy}\n"
        f"{run['machine']['cpu']}",
        fontsize=10,
    )
    axes.set_xlabel("FLOPs per byte of compulsory traffic")
    axes.set_ylabel("GFLOP/s")
    axes.grid(True, which="both", linewidth=0.3)
    axes.legend(loc="lower right", fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
