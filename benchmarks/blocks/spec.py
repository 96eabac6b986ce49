"""One dynamic decoder block as integers, and those of the published models.

No framework at the top: the processes of all competitors import this.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class BlockSpec:
    """What decides the work of one block, from the signal to its output.

    Attributes:
        batch: Images.
        height, width: Of the feature, the fused input and the output, in pixels.
        rows, columns: Cells of the patch grid.
        feature_channels: Channels of the feature.
        previous_channels: Of the level before at half the size; 0 at level 0.
        hidden: Between the two pointwise convolutions; 0 for a pointwise block.
        filters: Output channels.
        kernel_size: Side of the depthwise kernel; 1 for a pointwise block.
        signal_channels: Channels of the whole signal.
        offset: First of them that the weight head reads.
        groups: Groups of the weight head.
        depth: Signal channels per group.
        units: Weights that the head makes for every patch.
        start: First of them that this block uses.
        halo: "patch" or "neighbour"; see `Preset.halo`.
    """

    batch: int = 1
    height: int
    width: int
    rows: int
    columns: int
    feature_channels: int
    previous_channels: int
    hidden: int
    filters: int
    kernel_size: int
    signal_channels: int
    offset: int
    groups: int
    depth: int
    units: int
    start: int
    halo: str

    @property
    def channels(self) -> int:
        """Channels of the fused input: coordinates, feature, previous output."""
        return 2 + self.feature_channels + self.previous_channels

    @property
    def radius(self) -> int:
        """Pixels around a patch that the depthwise convolution reads."""
        return (self.kernel_size - 1) // 2

    @property
    def kernels(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the generated kernels, in the order of the weights."""
        if not self.hidden:
            return ((self.filters, self.channels),)
        return (
            (self.hidden, self.channels),
            (self.hidden, self.kernel_size, self.kernel_size),
            (self.filters, self.hidden),
        )

    @property
    def size(self) -> int:
        """Weights per patch that this block uses."""
        return sum(math.prod(kernel) for kernel in self.kernels)

    def describe(self) -> str:
        """Map, channels and grid in a few characters."""
        width = (
            f"{self.channels}-{self.hidden}-" if self.hidden else f"{self.channels}-"
        )
        return (
            f"{self.height}x{self.width} {width}{self.filters} "
            f"grid {self.rows}x{self.columns}"
        )


def preset_blocks(preset, image_size: tuple[int, int] | None = None) -> list[BlockSpec]:
    """The blocks of a preset, coarse to fine, for one image.

    Where levels share a weight head, a block gets the groups that make its own weights:
    what the others use is not its work.

    Args:
        preset: A dynamic one with patches of 32 pixels.
        image_size: (height, width) in pixels; None for that of the paper.
    """
    from hyperseg_tf.network.layout import decoder_layout, signal_channels

    height, width = image_size or preset.image_size
    levels, heads = decoder_layout(preset)
    blocks, previous = [], 0
    for level in levels:
        head = heads[level.head]
        depth = head.channels // head.groups
        group_width = -(-head.units // head.groups)
        first = level.start // group_width
        last = (level.start + level.size - 1) // group_width
        blocks.append(
            BlockSpec(
                height=height >> level.feature,
                width=width >> level.feature,
                rows=height // preset.patch_size,
                columns=width // preset.patch_size,
                feature_channels=level.in_channels - 2 - previous,
                previous_channels=previous,
                hidden=level.hidden,
                filters=level.filters,
                kernel_size=level.kernel_size,
                signal_channels=signal_channels(preset),
                offset=head.offset + first * depth,
                groups=last - first + 1,
                depth=depth,
                units=(last - first + 1) * group_width,
                start=level.start - first * group_width,
                halo=preset.halo,
            )
        )
        previous = level.filters
    return blocks


def published_blocks() -> dict[str, BlockSpec]:
    """Every block of the published models once; equal ones share a label."""
    from hyperseg_tf.presets.published import PUBLISHED

    return merge_equal(
        (f"{preset.name.removeprefix('hyperseg_')}/{i}", block)
        for preset in PUBLISHED
        for i, block in enumerate(preset_blocks(preset))
    )


def merge_equal(labelled: Iterable[tuple[str, BlockSpec]]) -> dict[str, BlockSpec]:
    """One entry for blocks of equal work, under their joined labels."""
    labels: dict[BlockSpec, list[str]] = {}
    for label, block in labelled:
        if not block.hidden:
            # The halo has no meaning there.
            block = replace(block, halo="patch")
        labels.setdefault(block, []).append(label)
    return {" = ".join(names): block for block, names in labels.items()}
