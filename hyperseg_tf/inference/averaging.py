"""Logits of several passes of one picture: mirrored, and at several sizes."""

from collections.abc import Callable, Sequence

from keras import ops

# Pictures (B, H, W, 3) -> logits (B, H, W, C).
Logits = Callable


def mirrored(logits: Logits, images, flip: str):
    """Logits of pictures together with those of their mirror images.

    Args:
        logits: The network.
        images: (B, H, W, 3), arrays or tensors, whatever `logits` takes.
        flip: "none"; "mean", the logarithm of the mean probability; or "max", the
            larger logit of the two, which is `flip_max` of the released code.

    Returns:
        (B, H, W, C), a tensor.
    """
    if flip == "none":
        return logits(images)
    both = [logits(images), ops.flip(logits(images[:, :, ::-1]), 2)]
    return ops.maximum(*both) if flip == "max" else mean_of(both)


def mean_of(several: Sequence):
    """The logarithm of the mean of the probabilities, so that they are logits again.

    Args:
        several: Logits (B, H, W, C) each, one at least; one alone stays as it is.
    """
    if len(several) == 1:
        return several[0]
    total = sum(ops.softmax(logits, axis=-1) for logits in several)
    # A probability of 0 in float32 has no logarithm.
    return ops.log(ops.maximum(total / len(several), 1e-37))
