"""Backbones: image -> F1..F5 at strides 2..32, and the head that feeds the signal."""

from collections.abc import Sequence
from typing import Protocol

import keras

from hyperseg_tf.network.backbones import efficientnet, resnet
from hyperseg_tf.network.conv_norm import conv_norm


class Family(Protocol):
    """What a module of this package must have to be a family of backbones.

    Attributes:
        VARIANTS: What it has, by name.
        PADDINGS: How it can pad; the first is the default.
        NORM: Arguments of its batch normalizations.
        NEW_LAYERS: How the names of layers begin that its ImageNet files lack.
    """

    VARIANTS: dict
    PADDINGS: tuple[str, ...]
    NORM: dict
    NEW_LAYERS: tuple[str, ...]

    def feature_channels(self, name: str) -> tuple[int, ...]:
        """Channels of F1..F5, unreduced."""

    def head_channels(self, name: str) -> int:
        """Channels of the head."""

    def maps(self, images, name: str, padding: str, folded: bool, implementation: str):
        """Wire (B, H, W, 3) -> [F1, ..., F5], head; layers are named for ImageNet.

        `implementation` says whether custom ops may do the folded form.
        """


_FAMILIES = (efficientnet, resnet)
NAMES = tuple(name for family in _FAMILIES for name in family.VARIANTS)


def family(name: str) -> Family:
    """The module that has this backbone; ValueError lists the known names."""
    for module in _FAMILIES:
        if name in module.VARIANTS:
            return module
    raise ValueError(f"no backbone {name!r}; known are {', '.join(NAMES)}.")


def check(name: str, padding: str) -> None:
    """Raise `ValueError` unless there is such a backbone that pads like that."""
    allowed = family(name).PADDINGS
    if padding not in allowed:
        raise ValueError(
            f"backbone padding of {name} must be in {allowed}: got {padding!r}."
        )


def build(
    name: str,
    padding: str,
    reductions: Sequence[float],
    folded: bool = False,
    implementation: str = "auto",
):
    """Build the backbone of a preset.

    Args:
        name: One of `NAMES`.
        padding: "same"; for EfficientNet also "static".
        reductions: r1..r5; a 1x1 convolution reduces F_i to `round(r_i * C_i)`
            channels, r_i = 1 has no layer.
        folded: Build convolutions with a bias in place of batch normalization.
        implementation: As of the dynamic convolution; matters to the folded form.

    Returns:
        keras.Model: (B, H, W, 3) -> [F1, ..., F5, head]; H and W divide by 32.

    Raises:
        ValueError: The name is unknown or the backbone cannot pad like that.
    """
    check(name, padding)
    module = family(name)
    images = keras.Input((None, None, 3), name="images")
    features, head = module.maps(images, name, padding, folded, implementation)
    reduced = []
    for i, (rate, feature) in enumerate(zip(reductions, features, strict=True)):
        if rate != 1:
            feature = conv_norm(
                feature,
                round(rate * feature.shape[-1]),
                1,
                name=f"reduce{i + 1}",
                norm=module.NORM,
                init=keras.initializers.VarianceScaling(
                    2.0, "fan_out", "truncated_normal"
                ),
                folded=folded,
            )
        reduced.append(feature)
    return keras.Model(images, [*reduced, head], name="backbone")


def reduced_channels(name: str, reductions: Sequence[float]) -> tuple[int, ...]:
    """Channels of F1..F5 behind the reduction."""
    full = family(name).feature_channels(name)
    return tuple(
        round(rate * count) for rate, count in zip(reductions, full, strict=True)
    )


def signal_source_channels(name: str) -> int:
    """Channels of the head."""
    return family(name).head_channels(name)
