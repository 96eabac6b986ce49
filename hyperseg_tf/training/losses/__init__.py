"""Losses on labels with void: of all pixels, of the hard ones, of regions, and sums."""

from hyperseg_tf.training.losses.all_pixels import CrossEntropy, Focal
from hyperseg_tf.training.losses.hard_pixels import (
    BootstrappedCrossEntropy,
    OnlineHardExamples,
)
from hyperseg_tf.training.losses.regions import Dice, LovaszSoftmax
from hyperseg_tf.training.losses.weighted_sum import WeightedSum

__all__ = [
    "BootstrappedCrossEntropy",
    "CrossEntropy",
    "Dice",
    "Focal",
    "LovaszSoftmax",
    "OnlineHardExamples",
    "WeightedSum",
]
