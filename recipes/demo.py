"""The demo: a tiny model on the embedded road scenes, minutes on two cores."""

from hyperseg_tf.pipelines import Normalise, RandomCrop, RandomFlip, RandomScale
from hyperseg_tf.recipes.recipe import Recipe


def demo() -> Recipe:
    """A tiny HyperSeg on generated road scenes of 192x256.

    hyperseg-tf train demo --data DIR --out runs/demo
    """
    return Recipe(
        preset="hyperseg_tiny",
        train=(
            RandomScale(0.85, 1.3),
            RandomCrop(192, 256),
            RandomFlip(),
            Normalise(),
        ),
        evaluate=(Normalise(),),
        protocol="own",
        epochs=5,
        samples_per_epoch=480,
        batch_size=8,
        learning_rate=3e-3,
        power=0.9,
        loss="bootstrapped",
        norm_momentum=0.9,
        cache=True,
        evaluate_batch_size=8,
        overlays=3,
    )
