"""One image through a whole network on the CPU: ours beside the authors' formulation.

    python -m benchmarks.network_cpu [--threads 1 2] [--quick] [--json FILE]

HyperSeg-M at 512x1024, batch 1, float32, by default. The reference is the same network
in eager PyTorch (`benchmarks.peers.torch_hyperseg`); the same in ONNX Runtime is the
stronger opponent (`benchmarks.peers.onnx_hyperseg`). Each side has its own memory
layout, all carry the same weights, and the largest difference of the logits is printed.

Parts are timed alone, so they need not add up to `network`: `backbone`, `head` (the
context head, up to the signal) and `decoder` (the levels from the signal on, with the
generation of their weights, to the output of the last one, not enlarged).
"""

import argparse
import dataclasses

from benchmarks import harness, network_weights
from benchmarks.network_sides import ours, size, tensorflow_with, theirs

TORCH = "torch, as released"
ONNX = "torch, as released, in ONNX Runtime"
FROZEN = "hyperseg_tf, folded and frozen"
GRAPH = "hyperseg_tf, tf.function"
# The project's aims for HyperSeg-M at 512x1024; printed beside the figures, no more.
GOAL = 5.0
GOAL_ONNX = 1.4
GOAL_SHARE = 0.15


def main() -> None:
    """Run the comparison for every number of threads and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], conflict_handler="resolve"
    )
    harness.add_arguments(parser)
    parser.add_argument(
        "--threads",
        type=int,
        nargs="+",
        help="for each competitor; one table for every number (1 2; quick 2)",
    )
    parser.add_argument(
        "--preset", default="hyperseg_m_cityscapes", help="which network"
    )
    parser.add_argument("--size", type=size, help="HxW (512x1024; quick 128x256)")
    args = parser.parse_args()
    counts = args.threads or ([2] if args.quick else [1, 2])
    for i, threads in enumerate(counts):
        print("\n" * bool(i), end="")
        _compare(_with_threads(args, threads, len(counts) > 1))


def _compare(args: argparse.Namespace) -> None:
    height, width = args.size or ((128, 256) if args.quick else (512, 1024))
    arguments = {"preset": args.preset, "height": height, "width": width}
    # At another size or for another network nothing was aimed for.
    aimed = not (args.quick or args.size or args.preset != "hyperseg_m_cityscapes")
    comparison = harness.compare(
        [
            harness.Competitor(name=FROZEN, factory=frozen, arguments=arguments),
            harness.Competitor(name=GRAPH, factory=graph, arguments=arguments),
            harness.Competitor(
                name=TORCH,
                factory=torch_eager,
                arguments=arguments,
                channels_first=True,
            ),
            harness.Competitor(
                name=ONNX,
                factory=torch_onnx,
                arguments=arguments,
                channels_first=True,
            ),
        ],
        args,
        title=f"{args.preset} at {height}x{width}, batch 1, float32, CPU",
        reference=TORCH,
        goals={("network", FROZEN): GOAL} if aimed else {},
    )
    harness.report(comparison, args)
    for line in against_onnx(comparison, GOAL_ONNX if aimed else None):
        print(line)
    for line in shares(comparison, GOAL_SHARE if aimed else None):
        print(line)
    for name in (FROZEN, GRAPH, ONNX):
        print(
            f"logits of '{name}' differ from the reference's by at most "
            f"{comparison.agreement('network', name):.1e} of the largest."
        )


def against_onnx(comparison: harness.Comparison, goal: float | None) -> list[str]:
    """Ratios of our frozen network to ONNX Runtime, a line per part."""
    lines = []
    for row in dataclasses.replace(comparison, reference=ONNX).rows():
        if row.name != FROZEN or row.ratio is None:
            continue
        line = f"{row.part}: latency of '{ONNX}' over '{FROZEN}': {row.ratio:.2f}"
        line += " (quartiles {:.2f}-{:.2f})".format(*row.ratio_quartiles)
        if row.part == "network" and goal:
            line += f", goal >= {goal:g} {_verdict(row.ratio >= goal, row.quiet)}"
        lines.append(f"{line}.")
    return lines


def shares(comparison: harness.Comparison, goal: float | None) -> list[str]:
    """The decoder's share of the network, by medians, a line per competitor."""
    rows = {(row.part, row.name): row for row in comparison.rows()}
    lines = []
    for (part, name), row in rows.items():
        if part != "decoder" or ("network", name) not in rows:
            continue
        whole = rows["network", name]
        share = row.median_ms / whole.median_ms
        line = f"decoder of '{name}': {share:.1%} of its network"
        if name == FROZEN and goal:
            quiet = row.quiet and whole.quiet
            line += f", goal <= {goal:.0%} {_verdict(share <= goal, quiet)}"
        lines.append(f"{line}.")
    return lines


def _verdict(met: bool, quiet: bool) -> str:
    return ("met" if met else "missed") if quiet else "not judged"


def _with_threads(
    args: argparse.Namespace, threads: int, several: bool
) -> argparse.Namespace:
    """The options of one comparison; several write a JSON file each."""
    args = argparse.Namespace(**{**vars(args), "threads": threads})
    if several and args.json is not None:
        args.json = args.json.with_stem(f"{args.json.stem}_{threads}_threads")
    return args


def frozen(*, threads: int, preset: str, height: int, width: int) -> harness.Steps:
    """Our inference form: batch norms folded, variables turned into constants."""
    tf = tensorflow_with(threads)
    import keras

    from hyperseg_tf.profiling.freeze import freeze

    model = ours(preset).fold()
    tensors = model.taps().output
    names = [f"feature_{i}" for i in range(1, 6)]
    features = [tensors[name] for name in names]
    last = sorted(name for name in tensors if name.startswith("level_"))[-1]
    images = tf.constant(network_weights.image(height, width))
    backbone = keras.Model(model.inputs, [*features, tensors["feature_head"]])
    head = keras.Model(tensors["feature_head"], tensors["signal"])
    decoder = keras.Model([*model.inputs, *features, tensors["signal"]], tensors[last])
    *values, head_values = backbone(images, training=False)
    signal = head(head_values, training=False)

    def part(net, *inputs):
        specs = [tf.TensorSpec(x.shape, x.dtype) for x in inputs]
        return freeze(lambda *x: net(_one(x), training=False), specs)(*inputs)

    return {
        "network": part(model, images),
        "backbone": part(backbone, images),
        "head": part(head, head_values),
        "decoder": part(decoder, images, *values, signal),
    }


def graph(*, threads: int, preset: str, height: int, width: int) -> harness.Steps:
    """Our model as it comes, in a `tf.function`."""
    tf = tensorflow_with(threads)
    model = ours(preset)
    images = tf.constant(network_weights.image(height, width))
    function = tf.function(lambda x: model(x, training=False))
    return {"network": lambda: function(images)}


def torch_eager(*, threads: int, preset: str, height: int, width: int) -> harness.Steps:
    """The authors' formulation, eager, as anybody runs it."""
    import torch

    model, image = theirs(threads, preset, height, width)
    with torch.inference_mode():
        *features, head = model.backbone(image)
        signal = model.weight_mapper(head)

    def inference(function, *inputs):
        def step():
            with torch.inference_mode():
                return function(*inputs)

        return step

    return {
        "network": inference(model, image),
        "backbone": inference(model.backbone, image),
        "head": inference(model.weight_mapper, head),
        "decoder": inference(model.decoder, [image, *features], signal),
    }


def torch_onnx(*, threads: int, preset: str, height: int, width: int) -> harness.Steps:
    """The same, exported and run by ONNX Runtime."""
    model, image = theirs(threads, preset, height, width)
    from benchmarks.peers import onnx_hyperseg

    return onnx_hyperseg.sessions(model, image, threads)


def _one(tensors):
    """Keras takes a single input bare, several as a list."""
    return tensors[0] if len(tensors) == 1 else list(tensors)


if __name__ == "__main__":
    main()
