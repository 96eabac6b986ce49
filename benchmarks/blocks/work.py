"""What a block has to compute and to move, and how long that takes at least."""

import math
from dataclasses import dataclass

from benchmarks.blocks.spec import BlockSpec

FLOAT_BYTES = 4


@dataclass(frozen=True)
class Work:
    """Counted work of one call.

    Attributes:
        flops: Two per multiply-add of the convolutions and of the weight head.
        halo_flops: The part of `flops` for pixels around patches.
        bytes: Every input read once, the output written once, float32.
    """

    flops: int
    halo_flops: int
    bytes: int

    @property
    def intensity(self) -> float:
        """FLOPs per byte."""
        return self.flops / self.bytes


@dataclass(frozen=True)
class Roofs:
    """Measured limits of the processors in use.

    Attributes:
        flops_per_second: Of multiply-adds in registers, two each.
        bytes_per_second: Of a large copy, bytes read and bytes written together.
    """

    flops_per_second: float
    bytes_per_second: float

    def floor_ms(self, flops: float, moved: float) -> float:
        """Least time for that work: the slower of computing and moving, overlapped."""
        seconds = max(flops / self.flops_per_second, moved / self.bytes_per_second)
        return 1e3 * seconds

    def bound(self, work: Work) -> str:
        """Which roof decides: "compute" or "memory"."""
        ridge = self.flops_per_second / self.bytes_per_second
        return "compute" if work.intensity >= ridge else "memory"


def dynamic_work(block: BlockSpec) -> Work:
    """Work of a dynamic block, the generation of its weights included.

    FLOPs are two per multiply-add of: the weight head, for the weights that the block
    uses; the pointwise convolutions; the depthwise convolution. Interpolation, biases,
    activations, coordinates and the addition of the input are not counted. With
    halo="patch" a pixel next to a patch also goes through that patch's first
    convolution: this is part of the definition and counted, in `halo_flops` too. What
    mirrors at the border of the map comes from pixels that the patch has anyway.

    Bytes are: the feature, the previous output at its half size (the fused input, four
    times larger there, need not exist), the channels of the signal that the head reads,
    the columns of the head that the block uses, the biases, and the output. Generated
    weights and hidden maps need not reach the memory.
    """
    cells = block.batch * block.rows * block.columns
    pixels = block.batch * block.height * block.width
    halo = 0
    macs = cells * block.depth * block.size
    if block.hidden:
        expand = block.channels * block.hidden
        if block.halo == "patch":
            height = block.height + 2 * block.radius * (block.rows - 1)
            width = block.width + 2 * block.radius * (block.columns - 1)
            halo = (block.batch * height * width - pixels) * expand
    macs += halo + pixels * block.size
    moved = (
        _maps(block)
        + cells * block.groups * block.depth
        + block.depth * block.size
        + _biases(block)
    )
    return Work(2 * macs, 2 * halo, FLOAT_BYTES * moved)


def static_work(block: BlockSpec) -> Work:
    """Work of the block of equal shapes with one set of learned kernels.

    Counted as in `dynamic_work`, without signal, weight head and halo.
    """
    pixels = block.batch * block.height * block.width
    moved = _maps(block) + block.size + _biases(block)
    return Work(2 * pixels * block.size, 0, FLOAT_BYTES * moved)


def _maps(block: BlockSpec) -> int:
    """Values of feature, previous output and output."""
    pixels = block.batch * block.height * block.width
    return pixels * (block.feature_channels + block.filters) + (
        pixels // 4 * block.previous_channels
    )


def _biases(block: BlockSpec) -> int:
    return sum(kernel[0] for kernel in block.kernels)


def geometric_mean(values) -> float:
    """The mean for ratios; of nothing it is not a number."""
    values = list(values)
    if not values:
        return math.nan
    return math.exp(sum(map(math.log, values)) / len(values))
