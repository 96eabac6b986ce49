"""HyperSeg in PyTorch, formulated the way the authors' release computes it.

This is the slow, honest reference of the speed benchmarks: the backbone is the one of
the `efficientnet-pytorch` package (its own modules, its static padding, its swish), and
every dynamic patch-wise convolution cuts the map into patches, folds batch and patches
into the channels, runs one grouped convolution and puts the map together again. Nothing
is folded, fused or reordered here; making this file faster would spoil its purpose.
`tests/benchmarks/test_torch_peer.py` proves against the golden files that it is the
true network.

Parameter names are those of the released state dicts. Tensors are NCHW in this file.
"""

from dataclasses import dataclass

import torch
from efficientnet_pytorch import EfficientNet
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What distinguishes one published model from another.

    Args:
        num_classes: Channels of the logits.
        feature_scale: Channel reduction of F1..F5; 1 leaves a map as it is.
        kernel_sizes: Kernel of each level, coarse to fine: 1 pointwise, 3 inverted
            residual.
        level_channels: Output channels of each level but the last, which makes logits.
        weight_groups: Groups of the weight layer of each level.
        signal_channels: How many signal channels, from 0, each weight layer reads.
        coordinate_sizes: Image sizes (H, W) whose coordinate maps are kept ready.
    """

    num_classes: int
    feature_scale: tuple[float, ...] = (0.25, 0.25, 0.25, 0.25, 0.25)
    kernel_sizes: tuple[int, ...]
    level_channels: tuple[int, ...]
    weight_groups: tuple[int, ...]
    signal_channels: tuple[int, ...]
    coordinate_sizes: tuple[tuple[int, int], ...]
    backbone: str = "efficientnet-b1"
    expand_ratio: int = 2


SETTINGS = {
    "hyperseg_m_cityscapes": Settings(
        num_classes=19,
        feature_scale=(1.0, 0.25, 0.25, 0.25, 0.25),
        kernel_sizes=(1, 1, 1, 3, 3),
        level_channels=(64, 32, 16, 16),
        weight_groups=(32, 16, 8, 16, 4),
        signal_channels=(416, 224, 128, 192, 320),
        coordinate_sizes=((512, 512), (512, 1024)),
    ),
    "hyperseg_s_camvid": Settings(
        num_classes=12,
        kernel_sizes=(1, 1, 1, 3, 3),
        level_channels=(64, 32, 16, 16),
        weight_groups=(64, 32, 32, 16, 8),
        signal_channels=(448, 256, 256, 192, 128),
        coordinate_sizes=((576, 576), (576, 768)),
    ),
    "hyperseg_l_camvid": Settings(
        num_classes=12,
        kernel_sizes=(1, 1, 1, 3, 3, 3),
        level_channels=(64, 32, 16, 16, 16),
        weight_groups=(64, 32, 32, 16, 8, 8),
        signal_channels=(384, 192, 256, 192, 128, 128),
        coordinate_sizes=((768, 768), (768, 1024)),
    ),
}


def build(name: str) -> "TorchHyperSeg":
    """Make the peer of preset `name`, in eval mode, with PyTorch's initial weights."""
    if name not in SETTINGS:
        raise ValueError(f"the peer knows {', '.join(SETTINGS)}: got {name!r}.")
    return TorchHyperSeg(SETTINGS[name]).eval()


class TorchHyperSeg(nn.Module):
    """Image (B, 3, H, W), normalised, to logits (B, classes, H, W).

    H and W are multiples of 64, as in the release.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.backbone = Backbone.from_settings(settings)
        head_channels = self.backbone._conv_head.out_channels
        self.weight_mapper = ContextHead(head_channels)
        self.decoder = Decoder(settings, self.backbone.feature_channels)

    def forward(self, image: Tensor) -> Tensor:
        *features, head = self.backbone(image)
        return self.decode(image, features, head)

    def decode(self, image: Tensor, features: list[Tensor], head: Tensor) -> Tensor:
        """Everything behind the backbone: context head, decoder, last upsampling."""
        logits = self.decoder([image, *features], self.weight_mapper(head))
        return self.enlarge(logits, image)

    @staticmethod
    def enlarge(logits: Tensor, image: Tensor) -> Tensor:
        """Logits of the last level at the size of the image."""
        if logits.shape[2:] == image.shape[2:]:
            return logits
        return F.interpolate(
            logits, image.shape[2:], mode="bilinear", align_corners=False
        )


class Backbone(EfficientNet):
    """EfficientNet up to its head convolution, with channel reduction.

    Returns [F1, .., F5, head] for an image (B, 3, H, W).
    """

    @classmethod
    def from_settings(cls, settings: Settings) -> "Backbone":
        net = cls.from_name(settings.backbone, include_top=False)
        widths = _stride_widths(net)
        net.feature_channels = []
        for i, (scale, width) in enumerate(
            zip(settings.feature_scale, widths, strict=True)
        ):
            reduced = round(scale * width)
            net.feature_channels.append(reduced)
            if scale != 1:
                # The released reduction takes the backbone's epsilon and momentum.
                norm = nn.BatchNorm2d(reduced, net._bn0.eps, net._bn0.momentum)
                conv = nn.Conv2d(width, reduced, 1, bias=False)
                net.add_module(f"_feat_fc_{i}", nn.Sequential(conv, norm))
        return net

    def forward(self, image: Tensor) -> list[Tensor]:
        points = self.extract_endpoints(image)
        maps = [points[f"reduction_{i}"] for i in range(1, 7)]
        for i in range(5):
            reduce = getattr(self, f"_feat_fc_{i}", None)
            if reduce is not None:
                maps[i] = reduce(maps[i])
        return maps


def _stride_widths(net: EfficientNet) -> list[int]:
    """Channels of the last map of strides 2, 4, 8, 16 and 32."""
    widths = []
    last = net._conv_stem.out_channels
    for block in net._blocks:
        if block._depthwise_conv.stride[0] == 2:
            widths.append(last)
        last = block._project_conv.out_channels
    return [*widths, last]


class ContextHead(nn.Module):
    """Backbone head (B, C, h, w) to signal (B, C, h, w), the two-level nested U-Net."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.in_conv = _conv_bn_relu(channels, half)
        self.down_blocks = nn.ModuleList([_conv_bn_relu(half, half, 2, 2)])
        self.up_blocks = nn.ModuleList([_conv_bn_relu(channels, half)])

    def forward(self, head: Tensor) -> Tensor:
        top = self.in_conv(head)
        bottom = self.down_blocks[0](top)
        average = F.adaptive_avg_pool2d(bottom, 1).expand_as(bottom)
        up = self.up_blocks[0](torch.cat([bottom, average], 1))
        up = F.interpolate(up, top.shape[2:], mode="nearest")
        return torch.cat([top, up], 1)


def _conv_bn_relu(inputs: int, outputs: int, kernel: int = 1, stride: int = 1):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class Decoder(nn.Module):
    """Levels from coarse to fine over [image, F1, .., F5] and the signal."""

    def __init__(self, settings: Settings, feature_channels: list[int]) -> None:
        super().__init__()
        self.levels = len(settings.kernel_sizes)
        outputs = (*settings.level_channels, settings.num_classes)
        maps = [3, *feature_channels]
        before = 0
        for i in range(self.levels):
            inputs = 2 + maps[5 - i] + before
            signal = (settings.signal_channels[i], settings.weight_groups[i])
            if settings.kernel_sizes[i] == 1:
                block = PatchPointwise(inputs, outputs[i], *signal)
            else:
                hidden = inputs * settings.expand_ratio
                block = PatchInvertedResidual(inputs, hidden, outputs[i], *signal)
            self.add_module(f"level_{i}", nn.ModuleList([block]))
            before = outputs[i]
        for height, width in settings.coordinate_sizes:
            for i in range(5):
                size = (height >> i, width >> i)
                name = f"coord{size[0]}_{size[1]}"
                self.register_buffer(name, _coordinates(*size), persistent=False)

    def forward(self, maps: list[Tensor], signal: Tensor) -> Tensor:
        out = None
        for i in range(self.levels):
            feature = maps[5 - i]
            parts = [self.coordinates(feature), feature]
            if out is not None:
                out = F.interpolate(
                    out, feature.shape[2:], mode="bilinear", align_corners=False
                )
                parts.append(out)
            out = getattr(self, f"level_{i}")[0](torch.cat(parts, 1), signal)
        return out

    def coordinates(self, feature: Tensor) -> Tensor:
        """Return x and y in [-1, 1] for every pixel of `feature`: (B, 2, H, W)."""
        batch, _, height, width = feature.shape
        ready = getattr(self, f"coord{height}_{width}", None)
        if ready is None:
            ready = _coordinates(height, width).to(feature)
        return ready.expand(batch, -1, -1, -1)


def _coordinates(height: int, width: int) -> Tensor:
    y, x = torch.meshgrid(
        torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij"
    )
    return torch.stack([x, y])[None]


class WeightLayer(nn.Conv2d):
    """Signal (B, C, h, w) to the weights of every patch (B*h*w, units).

    A grouped 1x1 convolution whose outputs are rounded up to a multiple of the groups;
    the surplus is cut.
    """

    def __init__(self, signal_channels: int, units: int, groups: int) -> None:
        rounded = -(-units // groups) * groups
        super().__init__(signal_channels, rounded, 1, groups=groups, bias=False)
        self.units = units

    def forward(self, signal: Tensor) -> Tensor:
        weights = super().forward(signal[:, : self.in_channels])[:, : self.units]
        return weights.permute(0, 2, 3, 1).reshape(-1, self.units)


class PatchConv(nn.Module):
    """Pointwise convolution with a kernel of its own for every patch."""

    def __init__(
        self, inputs: int, outputs: int, signal_channels: int, groups: int
    ) -> None:
        super().__init__()
        self.inputs = inputs
        self.outputs = outputs
        self.signal2weights = WeightLayer(signal_channels, inputs * outputs, groups)

    def forward(self, x: Tensor, signal: Tensor) -> Tensor:
        weights = self.signal2weights(signal)
        patches = _unfold(x, signal.shape[2:])
        out = _grouped_conv(patches, weights.reshape(-1, self.inputs, 1, 1))
        return _fold(out, x.shape[0], signal.shape[2:])


class PatchPointwise(nn.Sequential):
    """PatchConv, batch norm, ReLU."""

    def __init__(
        self, inputs: int, outputs: int, signal_channels: int, groups: int
    ) -> None:
        super().__init__(
            PatchConv(inputs, outputs, signal_channels, groups),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor, signal: Tensor) -> Tensor:
        conv, norm, act = self
        return act(norm(conv(x, signal)))


class PatchInvertedResidual(nn.Module):
    """Inverted residual block inside every patch, halo included."""

    def __init__(
        self,
        inputs: int,
        hidden: int,
        outputs: int,
        signal_channels: int,
        groups: int,
    ) -> None:
        super().__init__()
        self.inputs = inputs
        self.hidden = hidden
        self.outputs = outputs
        self.sizes = [inputs * hidden, hidden * 9, hidden * outputs]
        self.bn1 = nn.BatchNorm2d(hidden)
        self.bn2 = nn.BatchNorm2d(hidden)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.act = nn.ReLU6(inplace=True)
        self.signal2weights = WeightLayer(signal_channels, sum(self.sizes), groups)

    def forward(self, x: Tensor, signal: Tensor) -> Tensor:
        grid = signal.shape[2:]
        pw1, dw, pw2 = self.signal2weights(signal).split(self.sizes, 1)
        patches = _unfold(F.pad(x, (1, 1, 1, 1), mode="reflect"), grid, halo=1)
        out = _grouped_conv(patches, pw1.reshape(-1, self.inputs, 1, 1))
        out = self.act(self.bn1(out))
        # Depthwise: one group per channel of a patch.
        out = _grouped_conv(out, dw.reshape(-1, 1, 3, 3))
        out = self.act(self.bn2(out))
        out = _grouped_conv(out, pw2.reshape(-1, self.hidden, 1, 1))
        out = _fold(self.bn3(out), x.shape[0], grid)
        return x + out if self.inputs == self.outputs else out


def _unfold(x: Tensor, grid: tuple[int, int], halo: int = 0) -> Tensor:
    """Cut (B, C, H+2*halo, W+2*halo) into patches: (B*h*w, C, ph, pw)."""
    height = (x.shape[2] - 2 * halo) // grid[0]
    width = (x.shape[3] - 2 * halo) // grid[1]
    x = x.unfold(2, height + 2 * halo, height).unfold(3, width + 2 * halo, width)
    x = x.permute(0, 2, 3, 1, 4, 5)
    return x.reshape(-1, *x.shape[3:])


def _grouped_conv(patches: Tensor, kernel: Tensor) -> Tensor:
    """One convolution for all patches (P, C, ph, pw), kernel (P*out, in, k, k)."""
    count, channels, height, width = patches.shape
    flat = patches.reshape(1, count * channels, height, width)
    out = F.conv2d(flat, kernel, groups=count * channels // kernel.shape[1])
    return out.reshape(count, -1, *out.shape[2:])


def _fold(patches: Tensor, batch: int, grid: tuple[int, int]) -> Tensor:
    """Put patches (B*h*w, C, ph, pw) together: (B, C, H, W)."""
    _, channels, height, width = patches.shape
    x = patches.reshape(batch, *grid, channels, height, width)
    x = x.permute(0, 3, 1, 4, 2, 5)
    return x.reshape(batch, channels, grid[0] * height, grid[1] * width)
