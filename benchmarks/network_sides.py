"""Our network and the authors' formulation of it, with the same weights."""

import argparse

from benchmarks import network_weights


def tensorflow_with(threads: int):
    """TensorFlow, limited to so many threads."""
    import tensorflow as tf

    # Two pools, but the process may use no more than `threads` processors.
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    return tf


def ours(preset: str):
    """Our model with the weights that the peer draws."""
    from hyperseg_tf import HyperSeg

    # The released weights, and so the peer, know the static padding alone.
    model = HyperSeg.from_preset(preset, backbone_padding="static")
    network_weights.assign(model)
    return model


def theirs(threads: int, preset: str, height: int, width: int):
    """The peer with the shared weights, and its image."""
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
    return model, torch.from_numpy(image.copy())


def size(text: str) -> tuple[int, int]:
    """(height, width) of "HxW", for `add_argument(type=size)`."""
    height, _, width = text.partition("x")
    if not (height.isdigit() and width.isdigit()):
        raise argparse.ArgumentTypeError(f"must be HxW in pixels: got {text!r}")
    return int(height), int(width)
