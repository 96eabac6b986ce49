"""How time and memory of the fused block and of a whole network grow with the work.

    python -m benchmarks.scaling_cpu [--quick] [--json FILE] [--threads N]

* batch: 1 to 16 images of one size.
* area: one image of 1 to 16 times the area, by doubling width and height in turn; the
  patch size stays, so the grid grows too.
* grid: 4x4 to 64x64 patches over one map, for the block alone: patches of a network
  have at least 32 pixels. Finer grids mean more weights to generate and more halo;
  the work is what `benchmarks.blocks.work` counts.

The block is the finest of HyperSeg-S for CamVid, the network that model, folded, as one
frozen graph of free size. All points of a sweep take turns, so that a drift of the
machine meets all of them. The factor of a step is (time / time before) over (work /
work before), the median over the rounds in which both turns were quiet: 1 is linear,
below 1 the fixed costs spread. Memory is the most that TensorFlow's allocator holds
during a call, over what it held before: intermediate maps and outputs count, inputs and
weights do not. One call tells, since it is the same every time. Not counted are buffers
below 256 KiB and the scratch of the fused kernel, some of them for every thread.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks import harness, network_weights
from benchmarks.blocks import tensorflow_blocks
from benchmarks.blocks.spec import BlockSpec, preset_blocks
from benchmarks.blocks.work import dynamic_work

PRESET = "hyperseg_s_camvid"
BLOCK = "fused block"
NETWORK = "network"
FACTORS = (1, 2, 4, 8, 16)
GRIDS = (4, 8, 16, 32, 64)
SIDE = 256  # pixels of the smallest image
GRID_MAP = 256  # pixels along a side of the block's map
LIMIT = 1.2
RESERVED_BYTES = 1 << 31
MIN_QUIET_ROUNDS = 3


@dataclass(frozen=True)
class Sweep:
    """Points of one axis, from less work to more.

    Attributes:
        subject: `BLOCK` or `NETWORK`.
        axis: "batch", "area" or "grid".
        unit: What `work` counts.
        work: By the label of the point.
    """

    subject: str
    axis: str
    unit: str
    work: Mapping[str, int]


def main() -> None:
    """Run the sweeps and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    harness.add_arguments(parser, rounds=7, minutes=5)
    args = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # Its allocator counts bytes. TensorFlow leaves it off where a processor has AVX2
    # alone, and the one in its place does not count.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    points = 3 if args.quick else len(FACTORS)
    blocks = block_points(points, SIDE)
    sizes = network_points(points, SIDE // 2 if args.quick else SIDE)
    rows = _measure(sweeps(blocks, sizes), blocks, sizes, args)
    values = {
        "benchmark": "scaling_cpu",
        "quick": args.quick,
        "machine": harness.describe_machine(args.threads),
        "limit": LIMIT,
        "sweeps": rows,
    }
    print("\n".join(table(values)))
    harness.write_json(values, args.json)


def step_factor(before: float, after: float, work_ratio: float) -> float:
    """Growth of a cost over the growth of the work; 1 is linear.

    Args:
        before: Cost at less work.
        after: Cost at more work.
        work_ratio: More work over less.
    """
    return after / before / work_ratio


def block_points(points: int, side: int) -> dict[str, BlockSpec]:
    """The block at every point of its sweeps, for images of `side` squared pixels."""
    from hyperseg_tf import presets

    preset = presets.get(PRESET)
    base = preset_blocks(preset, (side, side))[-1]
    result = {}
    for factor in FACTORS[:points]:
        result[f"batch {factor}"] = replace(base, batch=factor)
    for factor in FACTORS[:points]:
        result[f"area x{factor}"] = preset_blocks(preset, _grown(side, factor))[-1]
    for grid in GRIDS[:points]:
        result[f"grid {grid}x{grid}"] = replace(
            base, height=GRID_MAP, width=GRID_MAP, rows=grid, columns=grid
        )
    return result


def network_points(points: int, side: int) -> dict[str, tuple[int, int, int]]:
    """(batch, height, width) of the images at every point of the network's sweeps."""
    factors = FACTORS[:points]
    return {
        **{f"batch {factor}": (factor, side, side) for factor in factors},
        **{f"area x{factor}": (1, *_grown(side, factor)) for factor in factors},
    }


def _grown(side: int, factor: int) -> tuple[int, int]:
    doublings = factor.bit_length() - 1
    return side << doublings // 2, side << (doublings + 1) // 2


def sweeps(
    blocks: Mapping[str, BlockSpec], sizes: Mapping[str, tuple[int, int, int]]
) -> list[Sweep]:
    """The points by subject and axis."""

    def on(axis, work):
        return {label: n for label, n in work.items() if label.startswith(axis)}

    pixels = {k: b.batch * b.height * b.width for k, b in blocks.items()}
    flops = {label: dynamic_work(block).flops for label, block in blocks.items()}
    images = {label: int(np.prod(size)) for label, size in sizes.items()}
    return [
        *(Sweep(BLOCK, axis, "pixel", on(axis, pixels)) for axis in ("batch", "area")),
        Sweep(BLOCK, "grid", "FLOP", on("grid", flops)),
        *(
            Sweep(NETWORK, axis, "pixel", on(axis, images))
            for axis in ("batch", "area")
        ),
    ]


def _measure(
    found: Sequence[Sweep],
    blocks: Mapping[str, BlockSpec],
    sizes: Mapping[str, tuple[int, int, int]],
    args: argparse.Namespace,
) -> list[dict[str, Any]]:
    competitors = [
        harness.Competitor(
            name=BLOCK,
            factory=fused_block,
            arguments={"blocks": blocks},
        ),
        harness.Competitor(name=NETWORK, factory=network, arguments={"sizes": sizes}),
    ]
    wanted = args.rounds or (2 if args.quick else args.default_rounds)
    minutes = min(args.minutes, 0.1) if args.quick else args.minutes
    with harness.Processes(competitors, args.threads, args.one_process) as processes:
        for competitor in competitors:
            harness.progress(f"setting up {competitor.name}")
            processes.build(competitor.name)
        rows = []
        end = time.perf_counter()
        for i, sweep in enumerate(found):
            # What a sweep leaves of its share is the others'.
            end = max(end, time.perf_counter()) + 60 * minutes / len(found)
            turns = _take_turns(processes, sweep, wanted, end)
            memory = {
                label: processes.apply(sweep.subject, label, peak_bytes)
                for label in sweep.work
            }
            harness.progress(f"sweep {i + 1} of {len(found)}")
            rows.append(summary(sweep, turns, memory))
    return rows


def _take_turns(
    processes: harness.Processes, sweep: Sweep, wanted: int, end: float
) -> dict[str, list[harness.Turn]]:
    turns: dict[str, list[harness.Turn]] = {label: [] for label in sweep.work}
    labels = list(sweep.work)
    for i in range(wanted):
        if i and time.perf_counter() > end:
            break
        shift = i % len(labels)
        for label in labels[shift:] + labels[:shift]:
            turn = harness.quiet_turn(processes, sweep.subject, label, end)
            turns[label].append(turn)
    return turns


def fused_block(*, threads: int, blocks: Mapping[str, BlockSpec]) -> harness.Steps:
    """The custom op in `Level`, at every point."""
    tensorflow_blocks.limit_threads(threads)
    _reserve_memory()
    return tensorflow_blocks.dynamic(
        threads=threads, blocks=blocks, implementation="fused"
    )


def network(
    *, threads: int, sizes: Mapping[str, tuple[int, int, int]]
) -> harness.Steps:
    """The whole network, folded, as one frozen graph for images of any size."""
    tensorflow_blocks.limit_threads(threads)
    _reserve_memory()
    import tensorflow as tf

    from hyperseg_tf import HyperSeg
    from hyperseg_tf.profiling.freeze import freeze

    model = HyperSeg.from_preset(PRESET, backbone_padding="static")
    network_weights.assign(model)
    model = model.fold()
    spec = tf.TensorSpec((None, None, None, 3), tf.float32)
    bind = freeze(lambda x: model(x, training=False), [spec])

    def step(batch, height, width):
        image = network_weights.image(height, width)
        return bind(tf.constant(image.repeat(batch, axis=0)))

    return {label: step(*size) for label, size in sizes.items()}


def _reserve_memory() -> None:
    """Let the allocator own one large piece, of which no page is touched.

    What it gives out is cut from there to size; pieces of sizes that were asked for
    before are given out whole, and counted whole, for requests of half that size.
    """
    import tensorflow as tf

    tf.raw_ops.Empty(shape=[RESERVED_BYTES // 8], dtype=tf.int64, init=False)


def peak_bytes(step: Callable[[], Any]) -> int:
    """Most bytes that TensorFlow's allocator holds during a call, above before it."""
    import tensorflow as tf

    memory = tf.config.experimental
    memory.reset_memory_stats("CPU:0")
    before = memory.get_memory_info("CPU:0")["current"]
    step()
    return memory.get_memory_info("CPU:0")["peak"] - before


def summary(
    sweep: Sweep,
    turns: Mapping[str, Sequence[harness.Turn]],
    memory: Mapping[str, int],
) -> dict[str, Any]:
    """What was measured of one sweep, as JSON-able values.

    Args:
        sweep: Its points.
        turns: By label, round by round.
        memory: Peak bytes of a call by label.
    """
    labels = list(sweep.work)
    points: list[dict[str, Any]] = []
    for i, label in enumerate(labels):
        quiet, latencies = _quiet_latencies(turns[label])
        median = statistics.median(latency for (latency,) in latencies)
        point = {
            "label": label,
            "work": sweep.work[label],
            "quiet": quiet,
            "median_ms": median,
            "ns_per_unit": 1e6 * median / sweep.work[label],
            "peak_bytes": memory[label],
            "turns": [vars(turn) for turn in turns[label]],
        }
        if i:
            before = labels[i - 1]
            ratio = sweep.work[label] / sweep.work[before]
            quiet, pairs = _quiet_latencies(turns[before], turns[label])
            point["step_quiet"] = quiet
            point["time_step"] = statistics.median(
                step_factor(*pair, ratio) for pair in pairs
            )
            if memory[before]:
                point["memory_step"] = step_factor(memory[before], memory[label], ratio)
        points.append(point)
    return {
        "subject": sweep.subject,
        "axis": sweep.axis,
        "unit": sweep.unit,
        "points": points,
    }


def _quiet_latencies(*columns: Sequence[harness.Turn]):
    """Whether enough rounds were quiet, and the latencies of those; else of all."""
    rounds = list(zip(*columns, strict=True))
    quiet = [row for row in rounds if harness.are_quiet(row)]
    enough = len(quiet) >= min(MIN_QUIET_ROUNDS, len(rounds))
    chosen = quiet if enough else rounds
    return enough, [tuple(turn.latency_ms for turn in row) for row in chosen]


def verdict(points: Sequence[Mapping[str, Any]]) -> str:
    """Whether no step of a sweep is over the limit."""
    steps = points[1:]
    worst = max(point["time_step"] for point in steps)
    memory = max(point.get("memory_step", 0.0) for point in steps)
    shown = f"largest step of time {worst:.2f}, of memory {memory:.2f}"
    if not all(point["step_quiet"] for point in steps):
        return f"{shown}: not judged, the machine was busy"
    held = max(worst, memory) <= LIMIT
    return f"{shown}: {'linear' if held else 'NOT LINEAR'} (no step over {LIMIT:g})"


def table(values: Mapping[str, Any]) -> list[str]:
    """All sweeps as text."""
    lines = [
        f"Cost against work: {BLOCK} (finest of {PRESET}) and {NETWORK} ({PRESET}), "
        "float32, CPU",
        *harness.machine_lines(values["machine"]),
        *(["quick: a check, no result"] if values["quick"] else []),
    ]
    for sweep in values["sweeps"]:
        header = ("point", "", "ms", f"ns per {sweep['unit']}", "step", "peak MB")
        cells = [(*header, "step", "")]
        for point in sweep["points"]:
            cells.append(
                (
                    point["label"],
                    "",
                    f"{point['median_ms']:.2f}",
                    f"{point['ns_per_unit']:.4g}",
                    f"{point['time_step']:.2f}" if "time_step" in point else "",
                    f"{point['peak_bytes'] / 1e6:.2f}",
                    f"{point['memory_step']:.2f}" if "memory_step" in point else "",
                    "" if point["quiet"] else "busy",
                )
            )
        lines += ["", f"{sweep['subject']}, {sweep['axis']}:"]
        lines += harness.columns(cells)
        lines += [verdict(sweep["points"])]
    return lines


if __name__ == "__main__":
    main()
