"""Losses on whole regions, class by class: how little they overlap the labels.

Every class that a batch's labels have counts the same, however few its pixels.
"""

import keras
from keras import ops

from hyperseg_tf.base.constants import VOID
from hyperseg_tf.ops.labels import class_positions
from hyperseg_tf.training.losses.pixels import (
    LabelLoss,
    broken,
    for_every_image,
    mean,
)


class _Regions(LabelLoss):
    """A mean over the classes in a batch's labels of a loss on all of its pixels."""

    def __init__(self, void, reduction, name, dtype):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.void = void

    def call(self, labels, logits):
        labels = class_positions(labels, logits.shape, self.void)
        classes = logits.shape[-1]
        labels = ops.reshape(labels, (-1,))
        valid = ops.expand_dims(ops.not_equal(labels, self.void), -1)
        probabilities = ops.softmax(ops.cast(logits, "float32"), axis=-1)
        probabilities = ops.reshape(probabilities, (-1, classes))
        probabilities = ops.where(valid, probabilities, 0.0)
        # A void label is no class, so its row is zero.
        there = ops.cast(
            ops.equal(ops.expand_dims(labels, -1), ops.arange(classes)), "float32"
        )
        there = ops.where(valid, there, 0.0)
        present = ops.cast(ops.any(there > 0, axis=0), "float32")
        loss = mean(self.of_classes(probabilities, there, valid), present)
        return for_every_image(loss + broken(probabilities), logits)

    def get_config(self):
        return {**super().get_config(), "void": self.void, "dtype": self.dtype}


@keras.saving.register_keras_serializable("hyperseg_tf")
class Dice(_Regions):
    """1 - Dice coefficient of probabilities and labels, the mean over classes.

    Over all pixels of a batch, void apart, and the classes that its labels have; 0 of a
    batch of void. Computed in float32. (Milletari et al., 2016, without squares)

    Args:
        smooth: Added to both sides of the fraction, at least 0: how little a class of
            few pixels says.
        void: Label value of the pixels to ignore.
        reduction: Over the images, each of which has the loss of the batch.
        name: Of the loss.
        dtype: Labels and logits are cast to it first.

    Shapes:
        labels, logits, returns: As of `Focal`.
    """

    def __init__(
        self,
        smooth=1.0,
        void=VOID,
        reduction="sum_over_batch_size",
        name="dice",
        dtype="float32",
    ):
        if not smooth >= 0:
            raise ValueError(f"smooth must be at least 0: got {smooth}.")
        super().__init__(void, reduction, name, dtype)
        self.smooth = smooth

    def of_classes(self, probabilities, there, valid):
        both = ops.sum(probabilities * there, axis=0)
        # Of an absent class, whose loss does not count, both may be 0.
        each = ops.sum(probabilities, axis=0) + ops.sum(there, axis=0)
        each = ops.maximum(each + self.smooth, keras.config.epsilon())
        return 1 - (2 * both + self.smooth) / each

    def get_config(self):
        return {**super().get_config(), "smooth": self.smooth}


@keras.saving.register_keras_serializable("hyperseg_tf")
class LovaszSoftmax(_Regions):
    """The convex surrogate of 1 - IoU on probabilities, the mean over classes.

    Over all pixels of a batch, void apart, and the classes that its labels have; 0 of a
    batch of void. Computed in float32, counts in whole numbers. It sorts the pixels
    once per class. (Berman et al., 2018)

    Args:
        void: Label value of the pixels to ignore.
        reduction: Over the images, each of which has the loss of the batch.
        name: Of the loss.
        dtype: Labels and logits are cast to it first.

    Shapes:
        labels, logits, returns: As of `Focal`.
    """

    def __init__(
        self,
        void=VOID,
        reduction="sum_over_batch_size",
        name="lovasz",
        dtype="float32",
    ):
        super().__init__(void, reduction, name, dtype)

    def of_classes(self, probabilities, there, valid):
        valid = valid[:, 0]
        return ops.stack(
            [
                _lovasz(probabilities[:, i], there[:, i], valid)
                for i in range(probabilities.shape[-1])
            ]
        )


def _lovasz(probability, there, valid):
    """Of one class: (P,) each."""
    # Void sorts behind every error, and counts as neither label nor prediction.
    errors = ops.where(valid, ops.abs(there - probability), -1.0)
    errors, places = ops.top_k(errors, ops.shape(errors)[0])
    counts = ops.take(ops.cast(there, "int32"), places)
    labelled = ops.sum(counts)
    intersection = labelled - ops.cumsum(counts)
    union = labelled + ops.cumsum(1 - counts)
    # How 1 - IoU grows with each pixel, as fractions of whole numbers: differences of
    # 1 - IoU itself are below the precision of float32 in a large batch.
    intersection, union = (ops.cast(x, "float32") for x in (intersection, union))
    union = ops.maximum(union, 1.0)
    growth = ops.where(
        counts > 0, 1 / union, intersection / union / ops.maximum(union - 1, 1.0)
    )
    return ops.sum(ops.relu(errors) * growth)
