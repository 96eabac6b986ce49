"""Anybody's own folder of images and labels."""

from pipelines import Normalise, RandomCrop, RandomFlip, RandomScale
from recipes.recipe import Recipe


def own_folder() -> Recipe:
    """HyperSeg-S on a folder with `classes.csv`, `train` and `val`.

    hyperseg-tf train own_folder --data DIR --out runs/mine

    The published CamVid augmentation, batch and rate on smaller crops; no score to
    expect, the data decide. Pictures are validated at their own size.
    """
    return Recipe(
        preset="hyperseg_s_camvid",
        train=(
            RandomScale(0.5, 2.0),
            RandomCrop(384, 384),
            RandomFlip(),
            Normalise(),
        ),
        evaluate=(Normalise(),),
        protocol="own",
        epochs=40,
        samples_per_epoch=1000,
        batch_size=8,
        learning_rate=1e-3,
        power=0.9,
        norm_momentum=0.9,
        weights="imagenet-or-random",
    )
