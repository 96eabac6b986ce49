"""What every loss starts from: the class, the cross entropy and the weight of a pixel.

Void takes part in no loss, so it is decided here once what void is.
"""

from collections.abc import Sequence

import keras
from keras import ops

from hyperseg_tf.ops.labels import class_positions


class LabelLoss(keras.losses.Loss):
    """A loss of images, which may be weighed one against the other."""

    def __call__(self, y_true, y_pred, sample_weight=None):
        rank = 0 if sample_weight is None else len(ops.shape(sample_weight))
        if rank > 1:
            raise ValueError(
                "images of a batch are weighed, sample_weight (B,): got "
                f"{tuple(ops.shape(sample_weight))}; weigh pixels by class_weights, or "
                "leave some out by labelling them void."
            )
        return super().__call__(y_true, y_pred, sample_weight)


class PixelLoss(LabelLoss):
    """A loss on the pixels that have a class; what differs is in `of_pixels`.

    Args:
        void: Label value of the pixels to ignore.
        class_weights: One per class, relative to each other; None for 1 each.
        reduction, name, dtype: As of every Keras loss.

    Raises:
        ValueError: These can be no weights of classes.
    """

    def __init__(self, void, class_weights, reduction, name, dtype):
        check_weights(class_weights)
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.void = void
        self.class_weights = class_weights

    def call(self, labels, logits):
        labels = class_positions(labels, logits.shape, self.void)
        logits = ops.cast(logits, "float32")
        losses, weights = flat_pixels(labels, logits, self.void, self.class_weights)
        valid = ops.reshape(ops.not_equal(labels, self.void), ops.shape(losses))
        return self.of_pixels(losses, weights, valid)

    def of_pixels(self, losses, weights, valid):
        """The loss of each image (B,), from (B, H * W) each; void is not `valid`."""
        raise NotImplementedError

    def get_config(self):
        return {
            **super().get_config(),
            "void": self.void,
            "class_weights": self.class_weights,
            "dtype": self.dtype,
        }


def flat_pixels(labels, logits, void, class_weights: Sequence[float] | None = None):
    """Cross entropy and weight of every pixel.

    Args:
        labels: int32 (B, H, W), from `class_positions`.
        logits: float32 (B, H, W, classes).
        void: Label value of the pixels to ignore.
        class_weights: One number of at least 0 per class; None for 1 each.

    Returns:
        Two float32 (B, H * W): cross entropies, 0 at void, and weights, 0 at void.
    """
    valid = ops.not_equal(labels, void)
    classes = ops.where(valid, labels, 0)
    losses = ops.sparse_categorical_crossentropy(classes, logits, from_logits=True)
    pixels = losses.shape[1:]
    shape = (
        ops.shape(losses)[0],
        -1 if None in pixels else int(pixels[0] * pixels[1]),
    )
    losses = ops.where(valid, losses, 0.0)
    weights = ops.cast(valid, "float32")
    if class_weights is not None:
        if len(class_weights) != logits.shape[-1]:
            raise ValueError(
                f"there is one class weight per class: got {len(class_weights)} for "
                f"{logits.shape[-1]} classes."
            )
        table = ops.convert_to_tensor(class_weights, "float32")
        weights = weights * ops.take(table, classes)
    return ops.reshape(losses, shape), ops.reshape(weights, shape)


def mean(values, weights, axis=None):
    """The mean of values by their weights; 0 where all weights are 0."""
    total = ops.sum(weights, axis=axis)
    return ops.sum(values * weights, axis=axis) / ops.where(total > 0, total, 1.0)


def broken(values, axis=None):
    """0; NaN where a value is NaN or infinite, which sorting and comparing drop."""
    return ops.stop_gradient(0.0 * ops.sum(values, axis=axis))


def for_every_image(loss, images):
    """A scalar of a whole batch as (B,), so that Keras' mean over images is the scalar.

    Keras divides what it averages by the number of devices, and scalars it does not.

    Args:
        loss: Scalar.
        images: (B, ...), one entry per image.
    """
    return ops.broadcast_to(loss, (ops.shape(images)[0],))


def check_weights(class_weights: Sequence[float] | None) -> None:
    """Raise `ValueError` unless these can be weights of classes."""
    if class_weights is None:
        return
    good = all(0 <= weight < float("inf") for weight in class_weights)
    if not good or not any(weight > 0 for weight in class_weights):
        raise ValueError(
            "class weights are finite, at least 0 and not all 0: got "
            f"{tuple(class_weights)}."
        )
