"""The loss that a recipe names."""

from collections.abc import Sequence

import keras

from hyperseg_tf.recipes import Recipe
from hyperseg_tf.training.losses.all_pixels import CrossEntropy, Focal
from hyperseg_tf.training.losses.hard_pixels import (
    BootstrappedCrossEntropy,
    OnlineHardExamples,
)
from hyperseg_tf.training.losses.regions import Dice, LovaszSoftmax
from hyperseg_tf.training.losses.weighted_sum import WeightedSum


def loss(
    recipe: Recipe, class_weights: Sequence[float] | None = None
) -> keras.losses.Loss:
    """Return the mean over a batch, on labels (B, H, W) and logits (B, H, W, N).

    Args:
        class_weights: One per class, where the recipe has any.

    Raises:
        ValueError: The recipe has class weights and none are given.
    """
    if (recipe.loss_class_weights is None) != (class_weights is None):
        raise ValueError(
            "class weights are the recipe's: got "
            f"loss_class_weights={recipe.loss_class_weights} and {class_weights}."
        )
    terms = [_loss(name, recipe, class_weights) for name, _ in recipe.losses]
    factors = [factor for _, factor in recipe.losses]
    return terms[0] if factors == [1] else WeightedSum(terms, factors)


def _loss(name: str, recipe: Recipe, weights: Sequence[float] | None):
    k = recipe.loss_k
    makers = {
        "bootstrapped": lambda: BootstrappedCrossEntropy(
            k, recipe.loss_threshold, class_weights=weights
        ),
        "ohem": lambda: OnlineHardExamples(
            k, recipe.loss_probability, class_weights=weights
        ),
        "cross_entropy": lambda: CrossEntropy(weights),
        "focal": lambda: Focal(recipe.loss_gamma, weights),
        "dice": Dice,
        "lovasz": LovaszSoftmax,
    }
    return makers[name]()
