"""The class of every pixel from logits at half its size: no full-size logits are made.

TensorFlow on the CPU, by the custom op; see `docs/dpwconv.md`.
"""

import tensorflow as tf

from hyperseg_tf.ops import build


def class_map(logits, size, factor: int, confidence: bool = False):
    """Upsample logits bilinearly and take the class, row by row.

    Args:
        logits: (B, h, w, C) float32, C at most 256.
        size: (2,) int32, height and width of the class map: at most `factor` times that
            of the logits, of which the bottom and the right are padding.
        factor: 1, or 2 for logits at half the size (half-pixel centres).
        confidence: Give the softmax of the class, too.

    Returns:
        Classes, uint8 (B, H, W), the lowest of equal ones; their probabilities, float32
        (B, H, W), or (0, 0, 0) without `confidence`; and whether all logits are finite,
        () bool. Of others the classes mean nothing.

    Raises:
        tf.errors.InvalidArgumentError: The sizes do not fit each other.
    """
    found = build.load().class_map(
        logits=tf.cast(logits, tf.float32),
        size=size,
        factor=factor,
        confidence=confidence,
    )
    return found.classes, found.probability, found.finite
