"""One dynamic block in PyTorch, formulated the way the authors' releases compute it.

The modules are those of `torch_hyperseg`, with batch normalizations that scale by 1, so
that the numbers are those of the folded blocks beside them. The model for VOC pads the
hidden map of the whole picture: there every convolution cuts its input into patches and
puts its output together. Nothing is folded, fused or reordered here.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks import harness
from benchmarks.blocks import inputs
from benchmarks.blocks.spec import BlockSpec
from benchmarks.peers import torch_hyperseg
from benchmarks.peers.torch_hyperseg import (
    PatchInvertedResidual,
    PatchPointwise,
    WeightLayer,
)


def eager(*, threads: int, blocks: Mapping[str, BlockSpec]) -> harness.Steps:
    """Factory of `harness.Competitor`: label to a call of the block."""
    torch.set_num_threads(threads)
    return {label: _step(block) for label, block in blocks.items()}


def _step(block: BlockSpec):
    values = inputs.draw(block)
    module = TorchBlock(block, values).eval()
    tensors = [_channels_first(values.signal), _channels_first(values.feature)]
    if block.previous_channels:
        tensors.append(_channels_first(values.previous))

    def step():
        with torch.inference_mode():
            return module(*tensors)

    return step


def _channels_first(x) -> Tensor:
    return torch.from_numpy(x.transpose(0, 3, 1, 2).copy())


class TorchBlock(nn.Module):
    """Signal (B, S, h, w), feature and previous output to the block's output."""

    def __init__(self, block: BlockSpec, values: inputs.Inputs) -> None:
        super().__init__()
        read = (block.groups * block.depth, block.groups)
        if not block.hidden:
            self.block = PatchPointwise(block.channels, block.filters, *read)
            norms, owner = [self.block[1]], self.block[0]
        else:
            form = PatchInvertedResidual
            if block.halo == "neighbour":
                form = NeighbourInvertedResidual
            self.block = form(block.channels, block.hidden, block.filters, *read)
            norms = [self.block.bn1, self.block.bn2, self.block.bn3]
            owner = self.block
        owner.signal2weights = SlicedWeightLayer(block)
        with torch.no_grad():
            # (depth, units) with the groups side by side -> (units, depth, 1, 1).
            kernel = torch.from_numpy(values.head.T.copy())[..., None, None]
            owner.signal2weights.weight.copy_(kernel)
            for norm, bias in zip(norms, values.biases, strict=True):
                norm.running_var.fill_(1 - norm.eps)
                norm.bias.copy_(torch.from_numpy(bias))
        size = (block.height, block.width)
        self.register_buffer("coordinates", torch_hyperseg._coordinates(*size))

    def forward(self, signal: Tensor, feature: Tensor, *previous: Tensor) -> Tensor:
        parts = [self.coordinates.expand(feature.shape[0], -1, -1, -1), feature]
        parts += [
            F.interpolate(x, feature.shape[2:], mode="bilinear", align_corners=False)
            for x in previous
        ]
        return self.block(torch.cat(parts, 1), signal)


class SlicedWeightLayer(WeightLayer):
    """`WeightLayer` that reads a slice of the signal and keeps a slice of the units."""

    def __init__(self, block: BlockSpec) -> None:
        super().__init__(block.groups * block.depth, block.units, block.groups)
        self.offset = block.offset
        self.used = slice(block.start, block.start + block.size)

    def forward(self, signal: Tensor) -> Tensor:
        return super().forward(signal[:, self.offset :])[:, self.used]


class NeighbourInvertedResidual(PatchInvertedResidual):
    """The block whose halo went through the neighbour's weights."""

    def forward(self, x: Tensor, signal: Tensor) -> Tensor:
        grid = signal.shape[2:]
        pw1, dw, pw2 = self.signal2weights(signal).split(self.sizes, 1)
        out = _patch_conv(x, pw1.reshape(-1, self.inputs, 1, 1), grid)
        out = self.act(self.bn1(out))
        out = _patch_conv(out, dw.reshape(-1, 1, 3, 3), grid)
        out = self.act(self.bn2(out))
        out = self.bn3(_patch_conv(out, pw2.reshape(-1, self.hidden, 1, 1), grid))
        return x + out if self.inputs == self.outputs else out


def _patch_conv(x: Tensor, kernel: Tensor, grid) -> Tensor:
    halo = kernel.shape[2] // 2
    batch = x.shape[0]
    if halo:
        x = F.pad(x, (halo,) * 4, mode="reflect")
    patches = torch_hyperseg._unfold(x, grid, halo=halo)
    patches = torch_hyperseg._grouped_conv(patches, kernel)
    return torch_hyperseg._fold(patches, batch, grid)
