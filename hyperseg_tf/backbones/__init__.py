"""Backbones: image -> F1..F5 at strides 2..32, and the head that feeds the signal."""

from collections.abc import Sequence

from hyperseg_tf.backbones import efficientnet


def build(name: str, padding: str, reductions: Sequence[float], folded: bool = False):
    """Build the backbone of a preset.

    Args:
        name: "efficientnet-b0" to "-b7", or "efficientnet-tiny".
        padding: "same" or "static".
        reductions: r1..r5; a 1x1 convolution reduces F_i to `round(r_i * C_i)`
            channels, r_i = 1 has no layer.
        folded: Build convolutions with a bias in place of batch normalization.

    Returns:
        keras.Model: (B, H, W, 3) -> [F1, ..., F5, head]; H and W divide by 32.
    """
    return efficientnet.build(name, padding, reductions, folded)


def reduced_channels(name: str, reductions: Sequence[float]) -> tuple[int, ...]:
    """Channels of F1..F5 behind the reduction."""
    full = efficientnet.variant(name).feature_channels
    return tuple(
        round(rate * count) for rate, count in zip(reductions, full, strict=True)
    )


def signal_source_channels(name: str) -> int:
    """Channels of the head."""
    return efficientnet.variant(name).head_channels
