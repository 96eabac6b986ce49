"""One training step on the CPU: every implementation of the dynamic convolution.

    python -m benchmarks.training_cpu [--quick] [--json FILE]

HyperSeg-S for CamVid, batch 4, 360x480 crops (which the model pads to 384x512),
float32: forward, loss, backward and update of a step as `model.fit` runs it, with the
loss and the optimizer of the published recipe. The reference is "einsum", the
specification. The part `decoder` is the levels alone, with the generation of their
weights, from fixed features and a fixed signal to all gradients.
"""

import argparse
import dataclasses
from collections.abc import Sequence

import numpy as np

from benchmarks import harness, network_weights

IMPLEMENTATIONS = ("auto", "fused", "xla", "slices", "einsum")
QUICK = ("auto", "xla", "einsum")
REFERENCE = "einsum"
# The project's aims; printed beside the figures, no more.
GOAL = 1.5
GOAL_SHARE = 0.5
# "auto" runs the code of another row, so their times differ by chance alone.
CHANCE = 0.03


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    harness.add_arguments(parser)
    parser.add_argument(
        "--preset", help="which network (hyperseg_s_camvid; quick hyperseg_tiny)"
    )
    parser.add_argument("--batch-size", type=int, help="images a step (4; quick 2)")
    parser.add_argument(
        "--crop", type=int, nargs=2, help="height and width (360 480; quick 100 120)"
    )
    parser.add_argument(
        "--implementations",
        nargs="+",
        choices=IMPLEMENTATIONS,
        help="which besides 'auto' and 'einsum' (all; quick xla)",
    )
    parser.add_argument(
        "--together",
        type=int,
        default=4,
        help="processes at a time, of 4 to 6 GB each (default 4); more competitors "
        "make several tables",
    )
    args = parser.parse_args()
    usual = ("hyperseg_s_camvid", 4, (360, 480))
    quick = ("hyperseg_tiny", 2, (100, 120))
    asked = (args.preset, args.batch_size, args.crop)
    preset, batch_size, (height, width) = (
        given or default
        for given, default in zip(asked, quick if args.quick else usual, strict=True)
    )
    names = args.implementations or (QUICK if args.quick else IMPLEMENTATIONS)
    found = groups(names, args.together)
    # At another size or for another network nothing was aimed for.
    aimed = not args.quick and not any(asked)
    for i, group in enumerate(found):
        print("\n" * bool(i), end="")
        options = argparse.Namespace(**vars(args))
        if args.json is not None and len(found) > 1:
            options.json = args.json.with_stem(f"{args.json.stem}_{i + 1}")
        _compare(options, group, preset, batch_size, height, width, aimed)


def groups(names: Sequence[str], together: int) -> list[list[str]]:
    """Competitors of each table: 'auto', some of the names, and the reference."""
    others = [n for n in dict.fromkeys(names) if n not in ("auto", REFERENCE)]
    size = max(1, together - 2)
    parts = [others[i : i + size] for i in range(0, len(others), size)] or [[]]
    return [["auto", *part, REFERENCE] for part in parts]


def _compare(
    args: argparse.Namespace,
    names: Sequence[str],
    preset: str,
    batch_size: int,
    height: int,
    width: int,
    aimed: bool,
) -> None:
    arguments = {
        "preset": preset,
        "batch_size": batch_size,
        "height": height,
        "width": width,
    }
    comparison = harness.compare(
        [
            harness.Competitor(
                name=name,
                factory=training,
                arguments={**arguments, "implementation": name},
            )
            for name in names
        ],
        args,
        title=f"training {preset}, batch {batch_size}, {height}x{width}, float32, CPU",
        reference=REFERENCE,
        goals={("step", "auto"): GOAL} if aimed else {},
    )
    harness.report(comparison, args)
    print(fastest(comparison, judged=aimed))
    for line in shares(comparison, GOAL_SHARE if aimed else None):
        print(line)
    for name in names[:-1]:
        step, decoder = (comparison.agreement(p, name) for p in ("step", "decoder"))
        print(
            f"gradients of '{name}' differ from the reference's by at most {step:.1e} "
            f"(step), {decoder:.1e} (decoder) of the largest."
        )


def fastest(comparison: harness.Comparison, judged: bool = True) -> str:
    """Whether any implementation runs a step faster than "auto"."""
    rows = dataclasses.replace(comparison, reference="auto").rows()
    steps = [row for row in rows if row.part == "step" and row.name != "auto"]
    best = max(steps, key=lambda row: row.ratio)
    line = (
        f"step: latency of 'auto' over the next best, '{best.name}': {best.ratio:.2f}"
    )
    if judged:
        verdict = "met" if best.ratio <= 1 + CHANCE else "missed"
        line += ", goal: auto is the fastest, "
        line += verdict if best.quiet else "not judged"
    return f"{line}."


def shares(comparison: harness.Comparison, goal: float | None) -> list[str]:
    """The decoder's share of the step, by medians, a line per implementation."""
    rows = {(row.part, row.name): row for row in comparison.rows()}
    lines = []
    for (part, name), row in rows.items():
        if part != "decoder":
            continue
        step = rows["step", name]
        share = row.median_ms / step.median_ms
        line = f"decoder of '{name}': {share:.1%} of its step"
        if goal and name == "auto":
            verdict = "met" if share <= goal else "missed"
            quiet = row.quiet and step.quiet
            line += f", goal <= {goal:.0%} {verdict if quiet else 'not judged'}"
        lines.append(f"{line}.")
    return lines


def training(
    *,
    threads: int,
    implementation: str,
    preset: str,
    batch_size: int,
    height: int,
    width: int,
) -> harness.Steps:
    """The step of `model.fit`, and its decoder alone."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    import keras

    from hyperseg_tf import HyperSeg
    from hyperseg_tf.recipes.camvid import camvid12_hyperseg_s
    from hyperseg_tf.training.model import compile_model

    keras.utils.set_random_seed(0)
    model = HyperSeg.from_preset(preset, implementation=implementation)
    images, labels = batch(batch_size, height, width, model.preset.num_classes)
    decoder = _decoder(model, images)
    recipe = dataclasses.replace(camvid12_hyperseg_s(), batch_size=batch_size)
    compile_model(model, recipe)
    model.make_train_function()
    data = iter(tf.data.Dataset.from_tensors((images, labels)).repeat())
    heads = [layer for layer in model.layers if layer.name.startswith("weights_")]
    moment = _first_moment(model.optimizer, heads[-1].kernel)

    def step():
        model.train_function(data)
        # After the first step it is the gradient, but for a factor.
        return _as_map(moment)

    # The decoder first: a step moves the weights, and values are compared.
    return {"decoder": decoder, "step": step}


def batch(
    batch_size: int, height: int, width: int, num_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Normalised pictures (B, H, W, 3) and labels (B, H, W): blobs of every class."""
    picture = network_weights.image(batch_size * height, width)
    images = picture.reshape(batch_size, height, width, 3)
    rng = np.random.default_rng(1)
    blobs = rng.integers(
        0, num_classes, (batch_size, -(-height // 16), -(-width // 16))
    )
    labels = blobs.repeat(16, axis=1).repeat(16, axis=2)[:, :height, :width]
    return images, labels.astype("uint8")


def _decoder(model, images: np.ndarray):
    """The levels alone, forward and backward."""
    import keras
    import tensorflow as tf

    taps = model.taps()
    tensors = taps.output
    read = [f"feature_{i}" for i in range(1, 6)] + ["signal"]
    last = sorted(name for name in tensors if name.startswith("level_"))[-1]
    net = keras.Model([*model.inputs, *(tensors[k] for k in read)], tensors[last])
    found = taps(images, training=False)
    values = [tf.constant(images), *(tf.identity(found[name]) for name in read)]
    rng = np.random.default_rng(2)
    factors = tf.constant(rng.standard_normal(found[last].shape, np.float32))
    variables = [variable.value for variable in net.trainable_variables]

    @tf.function
    def run(*inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            total = tf.reduce_sum(factors * net(list(inputs), training=True))
        return tape.gradient(total, [*inputs[1:], *variables])

    def step():
        # The last of the inputs is the signal; the others come out all the same.
        return run(*values)[len(read) - 1]

    return step


def _first_moment(optimizer, kernel):
    """Adam's average of the gradients of one variable."""
    path = kernel.path.replace("/", "_")
    (found,) = [v for v in optimizer.variables if v.path.endswith(f"{path}_momentum")]
    return found


def _as_map(variable) -> np.ndarray:
    return np.asarray(variable.value)[None]


if __name__ == "__main__":
    main()
