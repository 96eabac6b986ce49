"""A recipe of nothing that loads TensorFlow."""

from dataclasses import dataclass

from hyperseg_tf.recipes import Recipe


@dataclass(frozen=True)
class Blur:
    radius: float


def small(**changes) -> Recipe:
    values = {
        "preset": "tiny",
        "train": (Blur(1.5),),
        "evaluate": (),
        "protocol": "own",
        "epochs": 2,
        "samples_per_epoch": 11,
        "batch_size": 3,
        "learning_rate": 1e-3,
        "power": 0.9,
    }
    return Recipe(**{**values, **changes})
