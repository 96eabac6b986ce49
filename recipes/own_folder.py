"""Anybody's own folder of images and labels."""

from hyperseg_tf.pipelines import Normalise, RandomCrop, RandomFlip, RandomScale
from hyperseg_tf.recipes.recipe import Recipe


def own_folder() -> Recipe:
    """HyperSeg-S on EfficientNet-Lite1 from ImageNet, on a folder with `classes.csv`.

    hyperseg-tf train own_folder --data DIR --out runs/mine

    The published CamVid augmentation on smaller crops, and what a backbone from
    ImageNet needs: a smaller rate, a warm-up, an average of the weights. No score to
    expect, the data decide. Pictures are validated at their own size.
    """
    return Recipe(
        preset="hyperseg_s_lite1",
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
        learning_rate=2e-3,
        power=0.9,
        betas=(0.9, 0.999),
        warmup_steps=100,
        backbone_rate=0.25,
        ema=0.98,
        norm_momentum=0.95,
        weights="imagenet-or-random",
    )
