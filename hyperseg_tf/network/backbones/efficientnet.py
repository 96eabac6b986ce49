"""EfficientNet (Tan and Le, 2019) and -Lite, up to and including the head convolution.

Layer names are those of keras.applications, so that its ImageNet file loads by name.
The stride-2 convolutions are padded SAME, or by the fixed amounts with which the
released HyperSeg weights were trained: those SAME gives at the nominal image size.

EfficientNet-Lite (Liu, 2020) is the same without squeeze-and-excitation, with ReLU6 in
place of swish, and with a stem, a head, a first and a last stage that are not scaled.
"""

import math
from dataclasses import dataclass

import keras
from keras import layers

from hyperseg_tf.network.backbones.bottleneck import MobileBottleneck
from hyperseg_tf.network.conv_norm import conv_norm, depthwise_norm

PADDINGS = ("same", "static")

NEW_LAYERS = ()
NORM = {"momentum": 0.99, "epsilon": 1e-3}

# (kernel, repeats, output channels, expansion, stride) of the seven stages of B0.
_STAGES = (
    (3, 1, 16, 1, 1),
    (3, 2, 24, 6, 2),
    (5, 2, 40, 6, 2),
    (3, 3, 80, 6, 2),
    (5, 3, 112, 6, 1),
    (5, 4, 192, 6, 2),
    (3, 1, 320, 6, 1),
)


@dataclass(frozen=True)
class Variant:
    """Scaling of one EfficientNet: width, depth, nominal size, dropout; or a Lite."""

    width: float
    depth: float
    resolution: int
    dropout: float
    lite: bool = False

    def channels(self, base: int) -> int:
        """Scaled channel count, a multiple of 8 within 10 % of the exact one."""
        exact = base * self.width
        rounded = max(8, int(exact + 4) // 8 * 8)
        return int(rounded + 8 if rounded < 0.9 * exact else rounded)

    @property
    def stages(self) -> tuple[tuple[int, int, int, int, int], ...]:
        """Stages as (kernel, repeats, channels, expansion, stride)."""
        as_they_are = (0, len(_STAGES) - 1) if self.lite else ()
        return tuple(
            (
                k,
                n if i in as_they_are else math.ceil(self.depth * n),
                self.channels(c),
                e,
                s,
            )
            for i, (k, n, c, e, s) in enumerate(_STAGES)
        )

    @property
    def feature_channels(self) -> tuple[int, ...]:
        """Channels of F1..F5, the last map of each stride."""
        return tuple(self.stages[i][2] for i in (0, 1, 2, 4, 6))

    @property
    def head_channels(self) -> int:
        """Channels of the head convolution."""
        return 1280 if self.lite else self.channels(1280)

    @property
    def stem_channels(self) -> int:
        """Channels of the first convolution."""
        return 32 if self.lite else self.channels(32)

    @property
    def activation(self) -> str:
        """Keras name of the activation behind all but the projections."""
        return "relu6" if self.lite else "silu"

    def squeezed(self, channels: int) -> int:
        """Channels of the squeezed vector by those before the expansion; 0 for none."""
        return 0 if self.lite else max(1, channels // 4)


VARIANTS = {
    "efficientnet-tiny": Variant(0.5, 0.5, 128, 0.0),
    "efficientnet-b0": Variant(1.0, 1.0, 224, 0.2),
    "efficientnet-b1": Variant(1.0, 1.1, 240, 0.2),
    "efficientnet-b2": Variant(1.1, 1.2, 260, 0.3),
    "efficientnet-b3": Variant(1.2, 1.4, 300, 0.3),
    "efficientnet-b4": Variant(1.4, 1.8, 380, 0.4),
    "efficientnet-b5": Variant(1.6, 2.2, 456, 0.4),
    "efficientnet-b6": Variant(1.8, 2.6, 528, 0.5),
    "efficientnet-b7": Variant(2.0, 3.1, 600, 0.5),
    "efficientnet-lite0": Variant(1.0, 1.0, 224, 0.2, lite=True),
    "efficientnet-lite1": Variant(1.0, 1.1, 240, 0.2, lite=True),
    "efficientnet-lite2": Variant(1.1, 1.2, 260, 0.3, lite=True),
}


def variant(name: str) -> Variant:
    """The variant of that name."""
    return VARIANTS[name]


def feature_channels(name: str) -> tuple[int, ...]:
    """Channels of F1..F5."""
    return variant(name).feature_channels


def head_channels(name: str) -> int:
    """Channels of the head."""
    return variant(name).head_channels


def maps(
    images,
    name: str,
    padding: str,
    folded: bool = False,
    implementation: str = "auto",
):
    """Wire the backbone; see `hyperseg_tf.network.backbones.Family`."""
    net = variant(name)
    side = net.resolution
    pads = {"padding": padding, "folded": folded, "norm": NORM, "init": _conv_init()}
    pads["activation"] = net.activation
    x, side = _strided(
        conv_norm, images, net.stem_channels, 3, 2, side, name="stem", **pads
    )
    blocks = sum(repeats for _, repeats, *_ in net.stages)
    features, index = [], 0
    for stage, (kernel, repeats, channels, expansion, stride) in enumerate(net.stages):
        if stride == 2:
            features.append(x)
        for i in range(repeats):
            step = stride if i == 0 else 1
            block = f"block{stage + 1}{chr(97 + i)}_"
            if folded:
                x = MobileBottleneck(
                    channels,
                    kernel,
                    expansion,
                    net.squeezed(x.shape[-1]),
                    step,
                    _borders(kernel, step, side) if padding == "static" else None,
                    implementation,
                    net.activation,
                    name=block,
                )(x)
                side = -(-side // step)
            else:
                drop = 0.2 * index / blocks if net.dropout else 0.0
                x, side = _block(
                    x, kernel, channels, expansion, step, side, drop, block, net, pads
                )
            index += 1
    features.append(x)
    pads.pop("padding")
    head = conv_norm(x, net.head_channels, 1, name="top", **pads)
    if net.dropout:
        head = layers.Dropout(net.dropout, name="top_dropout")(head)
    return features, head


def _block(x, kernel, filters, expansion, stride, side, drop, name, net, pads):
    """Mobile inverted bottleneck; squeeze-and-excitation where the variant has it."""
    inputs, channels = x, x.shape[-1]
    plain = {key: value for key, value in pads.items() if key != "padding"}
    if expansion != 1:
        x = conv_norm(x, channels * expansion, 1, name=f"{name}expand", **plain)
    x, side = _strided(
        depthwise_norm, x, None, kernel, stride, side, name=f"{name}dwconv", **pads
    )
    squeezed = net.squeezed(channels)
    if squeezed:
        x = _excited(x, squeezed, pads["init"], name)
    plain["activation"] = None
    x = conv_norm(x, filters, 1, name=f"{name}project", **plain)
    if stride == 1 and channels == filters:
        if drop:
            x = layers.Dropout(drop, noise_shape=(None, 1, 1, 1), name=f"{name}drop")(x)
        x = layers.Add(name=f"{name}add")([x, inputs])
    return x, side


def _excited(x, squeezed, init, name):
    """Squeeze-and-excitation."""
    gate = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}se_squeeze")(x)
    gate = layers.Conv2D(
        squeezed,
        1,
        activation="silu",
        kernel_initializer=init,
        name=f"{name}se_reduce",
    )(gate)
    gate = layers.Conv2D(
        x.shape[-1],
        1,
        activation="sigmoid",
        kernel_initializer=init,
        name=f"{name}se_expand",
    )(gate)
    return layers.Multiply(name=f"{name}se_excite")([x, gate])


def _borders(kernel, stride, side):
    """Zeros before and after that SAME gives at the nominal `side`; None at stride 1.

    At stride 1 they are SAME for every size.
    """
    if stride == 1:
        return None
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return total // 2, total - total // 2


def _strided(make, x, filters, kernel, stride, side, name, padding, **rest):
    """A convolution padded SAME for the image or for the nominal `side`."""
    out = -(-side // stride)
    borders = _borders(kernel, stride, side) if padding == "static" else None
    if borders:
        pad_name = "stem_conv_pad" if name == "stem" else f"{name}_pad"
        x = layers.ZeroPadding2D((borders, borders), name=pad_name)(x)
    mode = "valid" if borders else "same"
    arguments = {"strides": stride, "padding": mode, "name": name, **rest}
    if filters is None:
        return make(x, kernel, **arguments), out
    return make(x, filters, kernel, **arguments), out


def _conv_init():
    return keras.initializers.VarianceScaling(2.0, "fan_out", "truncated_normal")
