"""Single dynamic decoder blocks on the CPU: the fused op beside every other way.

    python -m benchmarks.blocks_cpu [--quick] [--json FILE] [--threads 1 2]

Every block of the five published models at the paper's image size, forward, batch 1,
float32; blocks of equal work are timed once. The competitors:

* fused: the custom op, as `Level(implementation="fused")` calls it;
* xla, einsum: `WeightHead` and `Level` in these implementations;
* torch: the authors' formulation, cutting into patches and grouped convolutions, eager;
* static: the same convolutions with one set of learned kernels for the whole map, stock
  TensorFlow with oneDNN. The faster of a `tf.function` and a frozen graph counts.

The dynamic ones all start from feature, previous output and signal: the generation of
the weights from the signal is timed in every one of them, and the static block, which
has none, does less work. That the dynamic ones compute the same is checked, and the
largest difference from einsum is printed.

The floor is the time that the block's work (`benchmarks.blocks.work`) takes at least at
the roofs measured in the same run for the same number of threads (`benchmarks.roofs`).
A map that stays in a cache can move faster than the copy, so where memory decides, the
floor is not strict.
"""

import argparse
import os
import statistics
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import harness, roofs
from benchmarks.blocks import tensorflow_blocks
from benchmarks.blocks.spec import (
    BlockSpec,
    merge_equal,
    preset_blocks,
    published_blocks,
)
from benchmarks.blocks.work import Roofs, dynamic_work, geometric_mean, static_work

FUSED = "fused"
XLA = "xla"
EINSUM = "einsum"
TORCH = "torch"
STATIC = "static"
STATIC_FORMS = {"static, tf.function": False, "static, frozen": True}
DYNAMIC = (FUSED, XLA, EINSUM, TORCH)
WAYS = (*DYNAMIC, STATIC)
# Latency of the other over that of fused; geometric means of the inverted residuals.
GOALS = {XLA: 2.5, STATIC: 1.3}
FLOOR_GOAL = 0.5
TURN_SECONDS = 0.15
# Sums in another order differ by some 1e-6 of the largest value.
MAX_DIFFERENCE = 1e-4


def main() -> None:
    """Run the comparisons and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    harness.add_arguments(parser, threads=(1, 2), rounds=5, minutes=8)
    args = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    blocks = _quick_blocks() if args.quick else published_blocks()
    if args.quick:
        # Starting a process for each would take longer than the measurement.
        args.one_process = True
        args.minutes = min(args.minutes, 0.1)
        print("quick: a check, no result")
    print(
        f"{len(blocks)} dynamic decoder blocks, batch 1, float32, CPU. Weight "
        "generation (signal to weights) is included in fused, xla, einsum and torch."
    )
    runs = []
    with roofs.program() as binary:
        for threads in args.threads:
            run = _run(blocks, threads, binary, args)
            runs.append(run)
            print("\n" + "\n".join(table(run)), flush=True)
    harness.write_json({"benchmark": "blocks_cpu", "runs": runs}, args.json)


def _quick_blocks() -> dict[str, BlockSpec]:
    from hyperseg_tf import presets

    small = preset_blocks(presets.get("hyperseg_s_camvid"), (128, 192))
    return merge_equal((f"s_camvid/{i} at 128x192", small[i]) for i in (2, 4))


def _run(
    blocks: Mapping[str, BlockSpec],
    threads: int,
    binary: Path,
    args: argparse.Namespace,
) -> dict[str, Any]:
    """Everything measured with that many threads, as JSON-able values."""
    own = {**vars(args), "threads": threads}
    own["minutes"] = args.minutes / len(args.threads)
    before = roofs.measure(binary, threads)
    comparison = harness.compare(
        competitors(blocks),
        argparse.Namespace(**own),
        title=f"dynamic decoder blocks, {threads} threads",
        reference=EINSUM,
        turn_seconds=TURN_SECONDS,
    )
    limits = roofs.higher(before, roofs.measure(binary, threads))
    check_agreement(comparison)
    rows = [
        measured(label, block, comparison, limits) for label, block in blocks.items()
    ]
    return {
        "threads": threads,
        "machine": dict(comparison.machine),
        "roofs": asdict(limits),
        "blocks": rows,
        "quick": args.quick,
        "summary": summary(rows),
        "decoders": decoders(rows),
        "comparison": comparison.to_dict(),
    }


def competitors(blocks: Mapping[str, BlockSpec]) -> list[harness.Competitor]:
    """One for every way to run the blocks; each builds all of them."""
    ours = [
        harness.Competitor(
            name=name,
            factory=tensorflow_blocks.dynamic,
            arguments={"blocks": blocks, "implementation": name},
        )
        for name in (FUSED, XLA, EINSUM)
    ]
    static = [
        harness.Competitor(
            name=name,
            factory=tensorflow_blocks.static,
            arguments={"blocks": blocks, "frozen": frozen},
        )
        for name, frozen in STATIC_FORMS.items()
    ]
    torch = harness.Competitor(
        name=TORCH,
        factory=torch_blocks,
        arguments={"blocks": blocks},
        channels_first=True,
    )
    return [*ours, *static, torch]


def torch_blocks(*, threads: int, blocks: Mapping[str, BlockSpec]) -> harness.Steps:
    """The peer's blocks; PyTorch is imported in its own process only."""
    from benchmarks.peers import torch_block

    return torch_block.eager(threads=threads, blocks=blocks)


def check_agreement(comparison: harness.Comparison) -> None:
    """Raise RuntimeError unless the dynamic competitors compute the same."""
    for part, name in comparison.outputs:
        difference = comparison.agreement(part, name) if name in DYNAMIC else 0
        if not difference <= MAX_DIFFERENCE:
            raise RuntimeError(
                f"{name}, {part}: must give what {EINSUM} gives: differs by "
                f"{difference:.1e} of the largest value."
            )


def measured(
    label: str, block: BlockSpec, comparison: harness.Comparison, limits: Roofs
) -> dict[str, Any]:
    """What was measured of one block.

    Args:
        label: Part of the comparison.
        block: Its shapes.
        comparison: Turns of all competitors.
        limits: Roofs for the same number of threads.
    """
    median_ms = comparison.medians_ms(label)
    form = min(STATIC_FORMS, key=median_ms.get)
    others = {name: name for name in DYNAMIC if name != FUSED} | {STATIC: form}
    work, static = dynamic_work(block), static_work(block)
    fused_ms = median_ms[FUSED]
    floor_ms = limits.floor_ms(work.flops, work.bytes)
    bare_ms = limits.floor_ms(work.flops - work.halo_flops, work.bytes)
    return {
        "label": label,
        "block": asdict(block),
        "shape": block.describe(),
        "residual": block.hidden > 0,
        "quiet": comparison.is_quiet(label),
        "median_ms": {**median_ms, STATIC: median_ms[form]},
        "static_form": form,
        "speedup": {
            name: statistics.median(comparison.pairs(label, other, FUSED))
            for name, other in others.items()
        },
        "difference": {name: comparison.agreement(label, name) for name in DYNAMIC},
        "work": {**asdict(work), "intensity": work.intensity},
        "static_work": {**asdict(static), "intensity": static.intensity},
        "bound": limits.bound(work),
        "floor_ms": floor_ms,
        "of_floor": floor_ms / fused_ms,
        "of_floor_without_halo": bare_ms / fused_ms,
    }


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Geometric means over the inverted residuals."""
    residual = [row for row in rows if row["residual"]]
    names = residual[0]["speedup"] if residual else ()
    return {
        "blocks": len(residual),
        "quiet": all(row["quiet"] for row in residual),
        "speedup": {
            name: geometric_mean(row["speedup"][name] for row in residual)
            for name in names
        },
        **{
            key: geometric_mean(row[key] for row in residual)
            for key in ("of_floor", "of_floor_without_halo")
        },
    }


def decoders(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Sums over the blocks of each model: medians in ms, by way."""
    sums: dict[str, dict[str, float]] = {}
    for row in rows:
        # A block that several models share belongs to all of them.
        for label in row["label"].split(" = "):
            model = sums.setdefault(label.split("/")[0], {})
            for name in WAYS:
                model[name] = model.get(name, 0.0) + row["median_ms"][name]
    return sums


def table(run: Mapping[str, Any]) -> list[str]:
    """The lines of one number of threads."""
    limits = Roofs(**run["roofs"])
    cells = [
        ("block", "channels and map", "fused ms", "xla", "x", "einsum", "x", "torch")
        + ("x", "static", "x", "floor ms", "of floor", "bound", "differ", "")
    ]
    for row in run["blocks"]:
        ms, speedup = row["median_ms"], row["speedup"]
        line = [row["label"], row["shape"], f"{ms[FUSED]:.2f}"]
        for name in (XLA, EINSUM, TORCH, STATIC):
            line += [f"{ms[name]:.2f}", f"{speedup[name]:.2f}"]
        differences = [row["difference"][name] for name in DYNAMIC]
        line += [
            f"{row['floor_ms']:.3f}",
            f"{row['of_floor']:.0%}",
            row["bound"],
            f"{max(differences):.0e}",
            "" if row["quiet"] else "busy",
        ]
        cells.append(tuple(line))
    return [
        *harness.machine_lines(run["machine"]),
        roofs.describe(limits, run["threads"]),
        "",
        *harness.columns(cells),
        "",
        "columns of other ways: median ms, and x: their latency over that of fused, by "
        "pairs.",
        "channels: fused input, hidden, output. differ: largest difference of the "
        "dynamic ways from einsum, over the largest value.",
        *summary_lines(run),
        "all blocks of a decoder, sums of medians:",
        *(
            f"  {model}: fused {ms[FUSED]:.1f} ms, static {ms[STATIC]:.1f} "
            f"({ms[STATIC] / ms[FUSED]:.2f} times the fused)"
            for model, ms in run["decoders"].items()
        ),
    ]


def summary_lines(run: Mapping[str, Any]) -> list[str]:
    """The geometric means beside the goals."""
    means = run["summary"]

    def verdict(value, goal):
        if run["quick"]:
            return "not judged: quick"
        if not means["quiet"]:
            return "not judged: busy"
        return "met" if value >= goal else "missed"

    lines = [
        f"geometric means over {means['blocks']} inverted residuals, "
        f"threads: {run['threads']}"
    ]
    for name, value in means["speedup"].items():
        goal = ""
        if name in GOALS:
            goal = f" (goal >= {GOALS[name]:g}: {verdict(value, GOALS[name])})"
        lines.append(f"  fused is {value:.2f} times as fast as {name}{goal}")
    value = means["of_floor"]
    lines.append(
        f"  fused reaches {value:.0%} of the floor's rate (goal >= {FLOOR_GOAL:.0%}: "
        f"{verdict(value, FLOOR_GOAL)}), {means['of_floor_without_halo']:.0%} if the "
        "halo is not counted as work"
    )
    return lines


if __name__ == "__main__":
    main()
