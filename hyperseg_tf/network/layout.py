"""Sizes of every level and weight head, from a preset: integers only."""

from dataclasses import dataclass

from hyperseg_tf.network.backbones import reduced_channels, signal_source_channels
from hyperseg_tf.network.signal_split import divide_channels
from hyperseg_tf.ops.block import block_kernels
from hyperseg_tf.presets import Preset


@dataclass(frozen=True, kw_only=True)
class LevelLayout:
    """One decoder level.

    Attributes:
        feature: Which map it fuses: 5..1 for F5..F1, 0 for the image.
        in_channels: Channels of coordinates, feature and previous output together;
            without `Preset.dynamic` those of the signal, too, at level 0.
        hidden: Channels between the two pointwise convolutions; 0 for kernel 1.
        filters: Output channels.
        kernel_size: 1, or the side of the depthwise kernel.
        kernels: Shapes of the kernels in the order of the weights.
        head: Index of the weight head it reads, where there are any.
        start: First of its weights in the output of that head.
    """

    feature: int
    in_channels: int
    hidden: int
    filters: int
    kernel_size: int
    kernels: tuple[tuple[int, ...], ...]
    head: int
    start: int

    @property
    def fan_ins(self) -> tuple[tuple[int, int], ...]:
        """Pairs (number of weights, fan-in) of the generated kernels."""
        pairs = []
        for filters, *rest in self.kernels:
            fan_in = 1
            for side in rest:
                fan_in *= side
            pairs.append((filters * fan_in, fan_in))
        return tuple(pairs)

    @property
    def size(self) -> int:
        """Weights per patch."""
        return sum(count for count, _ in self.fan_ins)


@dataclass(frozen=True, kw_only=True)
class HeadLayout:
    """One weight head: which slice of the signal makes how many weights."""

    units: int
    groups: int
    offset: int
    channels: int
    fan_ins: tuple[tuple[int, int], ...]


def signal_channels(preset: Preset) -> int:
    """Channels of the signal: as many as the backbone's head has."""
    return signal_source_channels(preset.backbone)


def decoder_layout(
    preset: Preset,
) -> tuple[tuple[LevelLayout, ...], tuple[HeadLayout, ...]]:
    """Levels and weight heads of a preset, both coarse to fine."""
    features = (3, *reduced_channels(preset.backbone, preset.reductions))
    filters = (*preset.level_channels, preset.num_classes)
    count = len(filters)
    shared_from = count - preset.shared_levels
    levels, previous, start = [], 0, 0
    for i, (kernel_size, out) in enumerate(
        zip(preset.kernel_sizes, filters, strict=True)
    ):
        feature = 5 - i
        channels = (2 if preset.positions else 0) + features[feature] + previous
        if i == 0 and not preset.dynamic:
            channels += signal_channels(preset)
        hidden = preset.expand_ratio * channels if kernel_size > 1 else 0
        kernels = block_kernels(channels, hidden, out, kernel_size)
        if i <= shared_from:
            start = 0
        level = LevelLayout(
            feature=feature,
            in_channels=channels,
            hidden=hidden,
            filters=out,
            kernel_size=kernel_size,
            kernels=kernels,
            head=min(i, shared_from),
            start=start,
        )
        levels.append(level)
        start += level.size
        previous = out
    return tuple(levels), _heads(preset, levels) if preset.dynamic else ()


def least_parameters(preset: Preset) -> int:
    """Weights of a model without its backbone, biases and normalizations.

    They are what the fields of a preset decide, so a model of a preset from a file can
    be refused before it is built.
    """
    levels, heads = decoder_layout(preset)
    if heads:
        count = sum(head.units * head.channels // head.groups for head in heads)
    else:
        count = sum(level.size for level in levels)
    if preset.context_levels:
        channels = signal_channels(preset)
        width = channels
        if preset.context_head == "concatenate":
            width //= 2
            count += channels * width
        # Down by 2x2, and up by the fusion of two.
        count += (preset.context_levels - 1) * 6 * width**2
    return count


def _heads(preset, levels):
    groups = preset.weight_groups
    members = [[lv for lv in levels if lv.head == i] for i in range(len(groups))]
    sizes = [sum(level.size for level in head) for head in members]
    parts = divide_channels(signal_channels(preset), max(groups), sizes)
    heads, offset = [], 0
    for head, size, group, part in zip(members, sizes, groups, parts, strict=True):
        heads.append(
            HeadLayout(
                units=size,
                groups=group,
                offset=0 if preset.overlapping_slices else offset,
                channels=part,
                fan_ins=tuple(pair for level in head for pair in level.fan_ins),
            )
        )
        offset += part
    return tuple(heads)
