"""The tensors of a block, equal for every competitor, of ordinary size."""

import math
import zlib
from dataclasses import dataclass

import numpy as np

from benchmarks.blocks.spec import BlockSpec


@dataclass(frozen=True)
class Inputs:
    """Arrays of one block, float32 and channels-last.

    Attributes:
        feature: (B, H, W, C).
        previous: (B, H/2, W/2, C') or None.
        signal: (B, h, w, S), rectified as a context head leaves it.
        head: (depth, units), columns in the order of the groups.
        biases: One vector per convolution.
        kernels: Learned kernels for the static block, (out, in) or (out, k, k).
    """

    feature: np.ndarray
    previous: np.ndarray | None
    signal: np.ndarray
    head: np.ndarray
    biases: list[np.ndarray]
    kernels: list[np.ndarray]


def draw(block: BlockSpec) -> Inputs:
    """Random inputs, always the same for one block.

    Weights, generated or not, have the variance 2 / fan-in.
    """
    rng = np.random.default_rng(zlib.crc32(repr(block).encode()))

    def normal(*shape):
        return rng.standard_normal(shape, np.float32)

    map_shape = (block.batch, block.height, block.width)
    previous = None
    if block.previous_channels:
        half = (block.batch, block.height // 2, block.width // 2)
        previous = normal(*half, block.previous_channels)
    fan_ins = [math.prod(kernel[1:]) for kernel in block.kernels]
    columns = np.ones(block.units, np.float32)
    columns[block.start : block.start + block.size] = np.repeat(
        fan_ins, [math.prod(kernel) for kernel in block.kernels]
    )
    signal = normal(block.batch, block.rows, block.columns, block.signal_channels)
    # A rectified unit normal has the mean square 1/2.
    head = normal(block.depth, block.units) * np.sqrt(4 / (block.depth * columns))
    return Inputs(
        feature=normal(*map_shape, block.feature_channels),
        previous=previous,
        signal=np.maximum(signal, 0),
        head=head.astype(np.float32),
        biases=[0.1 * normal(kernel[0]) for kernel in block.kernels],
        kernels=[
            normal(*kernel) * np.float32(math.sqrt(2 / fan_in))
            for kernel, fan_in in zip(block.kernels, fan_ins, strict=True)
        ],
    )
