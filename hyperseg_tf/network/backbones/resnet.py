"""ResNet (He et al., 2016) and its form with pyramid pooling (Zhao et al., 2017).

The backbones of the paper's ablation on CamVid (Section 4.4, Table 4), without
dilation: a 1x1 layer lifts the last map to the channels of the head. Layer names are
those of keras.applications; ResNet18, which it lacks, follows the same scheme.

Both ImageNet sources decide details that no parameter count shows: the file of
keras.applications (ResNet50) wants a bias in front of each normalization and the stride
in the first convolution of a bottleneck, the one of torchvision (ResNet18) neither.
"""

from dataclasses import dataclass

import keras
from keras import layers, ops

from hyperseg_tf.network.batch_norm import NORM
from hyperseg_tf.network.conv_norm import conv_norm

PADDINGS = ("same",)
# How the names of layers begin that ImageNet networks do not have.
NEW_LAYERS = ("top", "pyramid")

# Rows and columns of the grids that pyramid pooling averages over.
BINS = (1, 2, 3, 6)


@dataclass(frozen=True)
class Variant:
    """One ResNet.

    Attributes:
        bottleneck: Blocks of three convolutions (1x1, 3x3, 1x1) instead of two 3x3.
        repeats: Blocks of the four stages.
        head_channels: Channels of the head.
        pyramid: Pyramid pooling before the head.
    """

    bottleneck: bool
    repeats: tuple[int, int, int, int]
    head_channels: int
    pyramid: bool = False

    @property
    def feature_channels(self) -> tuple[int, ...]:
        """Channels of F1..F5, the last map of each stride."""
        factor = 4 if self.bottleneck else 1
        return (64, *(width * factor for width in (64, 128, 256, 512)))

    @property
    def norm(self) -> dict:
        """Arguments of the batch normalizations, as the ImageNet file was made."""
        return {**NORM, "epsilon": 1.001e-5} if self.bottleneck else NORM


VARIANTS = {
    "resnet18": Variant(False, (2, 2, 2, 2), 1280),
    "resnet50": Variant(True, (3, 4, 6, 3), 2048),
    "pspnet18": Variant(False, (2, 2, 2, 2), 1280, pyramid=True),
    "pspnet50": Variant(True, (3, 4, 6, 3), 2048, pyramid=True),
}


def feature_channels(name: str) -> tuple[int, ...]:
    """Channels of F1..F5."""
    return VARIANTS[name].feature_channels


def head_channels(name: str) -> int:
    """Channels of the head."""
    return VARIANTS[name].head_channels


def maps(
    images,
    name: str,
    padding: str,
    folded: bool = False,
    implementation: str = "auto",
):
    """Wire the backbone; see `hyperseg_tf.network.backbones.Family`."""
    net = VARIANTS[name]
    wire = _Wire(net.norm, folded, use_bias=net.bottleneck)
    x = wire(images, 64, 7, "conv1", strides=2, activation="relu")
    features = [x]
    x = layers.ZeroPadding2D(1, name="pool1_pad")(x)
    x = layers.MaxPooling2D(3, strides=2, name="pool1_pool")(x)
    for stage, repeats in enumerate(net.repeats):
        for i in range(repeats):
            stride = 2 if stage > 0 and i == 0 else 1
            block = f"conv{stage + 2}_block{i + 1}"
            width = 64 * 2**stage
            make = _bottleneck if net.bottleneck else _basic
            x = make(wire, x, width, stride, block)
        features.append(x)
    lift = _Wire(NORM, folded)
    if net.pyramid:
        width = x.shape[-1] // len(BINS)
        branches = [
            PyramidSpread(name=f"pyramid{bins}_spread")(
                [
                    lift(
                        PyramidPool(bins, name=f"pyramid{bins}_pool")(x),
                        width,
                        1,
                        f"pyramid{bins}",
                        activation="relu",
                    ),
                    x,
                ]
            )
            for bins in BINS
        ]
        x = layers.Concatenate(name="pyramid_join")([x, *branches])
    return features, lift(x, net.head_channels, 1, "top", activation="relu")


class _Wire:
    """`conv_norm` with the padding of the ImageNet files: the same on all sides."""

    def __init__(self, norm, folded, use_bias=False):
        self.rest = {"norm": norm, "folded": folded, "use_bias": use_bias}

    def __call__(self, x, filters, kernel, name, strides=1, activation=None):
        pads = {"padding": "same"}
        if strides > 1 and kernel > 1:
            x = layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad")(x)
            pads["padding"] = "valid"
        return conv_norm(
            x,
            filters,
            kernel,
            name=name,
            strides=strides,
            activation=activation,
            **pads,
            **self.rest,
        )


def _basic(wire, x, width, stride, name):
    y = wire(x, width, 3, f"{name}_1", strides=stride, activation="relu")
    y = wire(y, width, 3, f"{name}_2")
    if x.shape[-1] != width or stride > 1:
        x = wire(x, width, 1, f"{name}_0", strides=stride)
    y = layers.Add(name=f"{name}_add")([x, y])
    return layers.Activation("relu", name=f"{name}_out")(y)


def _bottleneck(wire, x, width, stride, name):
    y = wire(x, width, 1, f"{name}_1", strides=stride, activation="relu")
    y = wire(y, width, 3, f"{name}_2", activation="relu")
    y = wire(y, 4 * width, 1, f"{name}_3")
    if x.shape[-1] != 4 * width or stride > 1:
        x = wire(x, 4 * width, 1, f"{name}_0", strides=stride)
    y = layers.Add(name=f"{name}_add")([x, y])
    return layers.Activation("relu", name=f"{name}_out")(y)


@keras.saving.register_keras_serializable("hyperseg_tf")
class PyramidPool(layers.Layer):
    """Average over the cells of a square grid.

    Of n cells, cell i covers rows `floor(i H / n)` to `ceil((i + 1) H / n)`; cells of a
    map that does not divide overlap. Any size works, smaller ones than the grid, too.

    Args:
        bins: Cells along a side, n.

    Shapes:
        inputs: (B, H, W, C).
        returns: (B, n, n, C).
    """

    def __init__(self, bins, **kwargs):
        super().__init__(**kwargs)
        self.bins = bins

    def call(self, x):
        rows, columns = (self._shares(side, x.dtype) for side in ops.shape(x)[1:3])
        return ops.einsum(
            "mw,bnwc->bnmc", columns, ops.einsum("nh,bhwc->bnwc", rows, x)
        )

    def _shares(self, side, dtype):
        """Matrix (n, side) that averages the pixels of each cell."""
        cells = ops.arange(self.bins)
        first = cells * side // self.bins
        last = ((cells + 1) * side + self.bins - 1) // self.bins
        pixels = ops.expand_dims(ops.arange(side), 0)
        inside = (pixels >= ops.expand_dims(first, 1)) & (
            pixels < ops.expand_dims(last, 1)
        )
        share = 1.0 / ops.cast(last - first, dtype)
        return ops.cast(inside, dtype) * ops.expand_dims(share, 1)

    def compute_output_shape(self, shape):
        return (shape[0], self.bins, self.bins, shape[-1])

    def get_config(self):
        return {**super().get_config(), "bins": self.bins}


@keras.saving.register_keras_serializable("hyperseg_tf")
class PyramidSpread(layers.Layer):
    """Bilinear resize of a small map to the size of another, half-pixel centres.

    Shapes:
        small: (B, n, n, C).
        like: (B, H, W, D); only its size counts. Called as `layer([small, like])`.
        returns: (B, H, W, C).
    """

    def call(self, inputs):
        small, like = inputs
        bins, size = small.shape[1:3], ops.shape(like)[1:3]
        rows, columns = (
            self._weights(count, side, small.dtype)
            for count, side in zip(bins, size, strict=True)
        )
        tall = ops.einsum("hn,bnmc->bhmc", rows, small)
        return ops.einsum("wm,bhmc->bhwc", columns, tall)

    def _weights(self, bins, side, dtype):
        """Matrix (side, n) of a linear interpolation."""
        scale = bins / ops.cast(side, "float32")
        place = (ops.cast(ops.arange(side), "float32") + 0.5) * scale - 0.5
        place = ops.clip(place, 0.0, bins - 1.0)
        cells = ops.cast(ops.arange(bins), "float32")
        distance = ops.abs(ops.expand_dims(place, 1) - ops.expand_dims(cells, 0))
        return ops.cast(ops.relu(1.0 - distance), dtype)

    def compute_output_shape(self, shapes):
        return (*shapes[1][:3], shapes[0][-1])
