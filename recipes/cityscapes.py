"""Cityscapes: the published run of HyperSeg-M on 19 classes."""

from pipelines import Normalise, RandomCrop, RandomFlip, RandomScale, Resize
from recipes.recipe import Recipe


def cityscapes_hyperseg_m() -> Recipe:
    """HyperSeg-M on Cityscapes at 512x1024; published 76.2 % mIoU on val.

    hyperseg-tf train cityscapes_hyperseg_m --data DIR --out runs/cityscapes_m
    """
    return Recipe(
        preset="hyperseg_m_cityscapes",
        train=(
            RandomScale(0.25, 2.0, p=0.5),
            RandomCrop(512, 1024),
            RandomFlip(),
            Normalise(),
        ),
        evaluate=(Resize(512, 1024), Normalise()),
        protocol="cityscapes19",
        epochs=360,
        samples_per_epoch=4000,
        batch_size=16,
        learning_rate=1e-3,
        power=0.9,
        weights="imagenet-or-random",
    )
