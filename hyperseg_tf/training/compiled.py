"""The network and its scores on a batch, compiled by the backend that there is.

Under TensorFlow one graph serves all sizes. Under JAX each size is compiled anew, and
the variables are arguments: what is compiled would keep their values.
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from hyperseg_tf.base.pixels import MIN_SIDE
from hyperseg_tf.evaluation.metrics import confusion_counts


def logits_of(model: keras.Model) -> Callable[[Any], Any]:
    """A function of images (B, H, W, 3), normalised, to logits (B, H, W, C)."""
    if keras.backend.backend() == "jax":
        return _logits_under_jax(model)
    import tensorflow as tf

    return tf.function(lambda images: any_size(model, images), reduce_retracing=True)


def scores_of(
    predict: Callable[[Any], Any], loss: Callable[[Any, Any], Any], num_classes: int
) -> Callable[[Any, Any], tuple[Any, Any]]:
    """A function of images and labels to what they score.

    Args:
        predict: Of `logits_of`.
        loss: Mean over the images of a batch of a loss on (labels, logits).
        num_classes: C.

    Returns:
        (images (B, H, W, 3) float32, labels (B, H, W)) to the loss, a float32 scalar,
        and the confusion matrix int32 (C, C), rows are labels.
    """

    def of_logits(labels, logits):
        return loss(labels, logits), confusion_counts(labels, logits, num_classes)

    if keras.backend.backend() == "jax":
        import jax

        jitted = jax.jit(of_logits)
        return lambda images, labels: jitted(
            ops.convert_to_numpy(labels), predict(images)
        )
    import tensorflow as tf

    return tf.function(
        lambda images, labels: of_logits(labels, predict(images)),
        reduce_retracing=True,
    )


def any_size(model: keras.Model, images) -> Any:
    """Logits (B, H, W, C) of images of any size; the network refuses small ones."""
    height, width = ops.shape(images)[1:3]
    # Python's numbers under JAX, which pads by nothing else; tensors in a graph.
    larger = max if isinstance(height, int) else ops.maximum
    short = [[0, larger(MIN_SIDE - side, 0)] for side in (height, width)]
    padded = ops.pad(images, [[0, 0], *short, [0, 0]])
    return model(padded, training=False)[:, :height, :width]


def _logits_under_jax(model: keras.Model) -> Callable[[Any], Any]:
    import jax

    @jax.jit
    def of_values(values, images):
        pairs = list(zip(model.variables, values, strict=True))
        with keras.StatelessScope(state_mapping=pairs):
            return any_size(model, images)

    def call(images):
        values = [variable.value for variable in model.variables]
        return of_values(values, ops.convert_to_numpy(images))

    return call
