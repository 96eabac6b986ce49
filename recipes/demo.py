"""The demo: a tiny model on the embedded road scenes, minutes on two cores."""

from pipelines import Normalise, RandomCrop, RandomFlip, RandomScale
from recipes.recipe import Recipe


def demo() -> Recipe:
    """A tiny HyperSeg on generated road scenes of 128x192.

    hyperseg-tf train demo --data DIR --out runs/demo
    """
    return Recipe(
        preset="hyperseg_tiny",
        train=(
            RandomScale(0.8, 1.4),
            RandomCrop(128, 192),
            RandomFlip(),
            Normalise(),
        ),
        evaluate=(Normalise(),),
        protocol="own",
        epochs=8,
        samples_per_epoch=512,
        batch_size=4,
        learning_rate=2e-3,
        power=0.9,
        loss="cross_entropy",
        norm_momentum=0.9,
        cache=True,
        evaluate_batch_size=8,
        overlays=3,
    )
