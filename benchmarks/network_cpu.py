"""One image through a whole network on the CPU: ours beside the authors' formulation.

    python -m benchmarks.network_cpu [--quick] [--json FILE]

HyperSeg-M at 512x1024, batch 1, 2 threads, float32, by default. The reference is the
same network in eager PyTorch (`benchmarks.peers.torch_hyperseg`), each side in its own
memory layout. Both carry the same weights, and the largest difference of the logits is
printed. The parts `backbone` and `decoder` (context head to logits) are timed alone, so
they need not add up to `network`.
"""

import argparse

from benchmarks import harness, network_weights

TORCH = "torch, as released"
FROZEN = "hyperseg_tf, folded and frozen"
GRAPH = "hyperseg_tf, tf.function"
# The project's aim for the plain TensorFlow path; printed beside the ratio, no more.
GOAL = 3.0


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    harness.add_arguments(parser)
    parser.add_argument(
        "--preset", default="hyperseg_m_cityscapes", help="which network"
    )
    parser.add_argument("--size", type=_size, help="HxW (512x1024; quick 128x256)")
    args = parser.parse_args()
    height, width = args.size or ((128, 256) if args.quick else (512, 1024))
    arguments = {"preset": args.preset, "height": height, "width": width}
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
        ],
        args,
        title=f"{args.preset} at {height}x{width}, batch 1, float32, CPU",
        reference=TORCH,
        # At another size or for another network nothing was aimed for.
        goals={} if args.quick or args.size else {("network", FROZEN): GOAL},
    )
    harness.report(comparison, args)
    for name in (FROZEN, GRAPH):
        print(
            f"logits of '{name}' differ from the reference's by at most "
            f"{comparison.agreement('network', name):.1e} of the largest."
        )


def frozen(*, threads: int, preset: str, height: int, width: int) -> harness.Steps:
    """Our inference form: batch norms folded, variables turned into constants."""
    tf = _tensorflow(threads)
    import keras
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    model = _ours(preset).fold()
    tensors = model.taps().output
    names = [*(f"feature_{i}" for i in range(1, 6)), "feature_head"]
    backbone = keras.Model(model.inputs, [tensors[name] for name in names])
    decoder = keras.Model(
        [*model.inputs, *(tensors[name] for name in names)], tensors["logits"]
    )
    images = tf.constant(network_weights.image(height, width))
    features = backbone(images, training=False)

    def freeze(net, inputs):
        function = tf.function(lambda *tensors: net(_one(tensors), training=False))
        specs = [tf.TensorSpec(x.shape, x.dtype) for x in inputs]
        constant = convert_variables_to_constants_v2(
            function.get_concrete_function(*specs)
        )
        return lambda: constant(*inputs)

    return {
        "network": freeze(model, [images]),
        "backbone": freeze(backbone, [images]),
        "decoder": freeze(decoder, [images, *features]),
    }


def graph(*, threads: int, preset: str, height: int, width: int) -> harness.Steps:
    """Our model as it comes, in a `tf.function`."""
    tf = _tensorflow(threads)
    model = _ours(preset)
    images = tf.constant(network_weights.image(height, width))
    function = tf.function(lambda x: model(x, training=False))
    return {"network": lambda: function(images)}


def torch_eager(*, threads: int, preset: str, height: int, width: int) -> harness.Steps:
    """The authors' formulation, eager, as anybody runs it."""
    import torch

    torch.set_num_threads(threads)
    from benchmarks.peers import torch_hyperseg

    model = torch_hyperseg.build(preset)
    model.load_state_dict(
        {
            name: torch.from_numpy(network_weights.draw(name, tuple(value.shape)))
            for name, value in model.state_dict().items()
        }
    )
    image = network_weights.image(height, width).transpose(0, 3, 1, 2)
    image = torch.from_numpy(image.copy())
    with torch.inference_mode():
        *features, head = model.backbone(image)

    def inference(function, *inputs):
        def step():
            with torch.inference_mode():
                return function(*inputs)

        return step

    return {
        "network": inference(model, image),
        "backbone": inference(model.backbone, image),
        "decoder": inference(model.decode, image, features, head),
    }


def _tensorflow(threads: int):
    import tensorflow as tf

    # Two pools, but the process may use no more than `threads` processors.
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    return tf


def _ours(preset: str):
    """Our model with the weights that the peer draws."""
    from hyperseg_tf import HyperSeg
    from hyperseg_tf.convert import released

    # The released weights, and so the peer, know the static padding alone.
    model = HyperSeg.from_preset(preset, backbone_padding="static")
    entries = released.entries(model)
    names = {entry.name: entry.released_shape for entry in entries}
    released.assign(model, {k: network_weights.draw(k, v) for k, v in names.items()})
    return model


def _one(tensors):
    """Keras takes a single input bare, several as a list."""
    return tensors[0] if len(tensors) == 1 else list(tensors)


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.partition("x")
    if not (height.isdigit() and width.isdigit()):
        raise argparse.ArgumentTypeError(f"must be HxW in pixels: got {text!r}")
    return int(height), int(width)


if __name__ == "__main__":
    main()
