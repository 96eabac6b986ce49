"""The decoder with learned kernels: the ablation without DPWConv (Section 4.4).

The same levels as in `decoder`, from stock layers: what a dynamic convolution costs and
brings is measured against this.
"""

import keras
from keras import layers

from hyperseg_tf.network.conv_norm import conv_norm, depthwise_norm
from hyperseg_tf.network.layout import decoder_layout
from hyperseg_tf.ops import patches
from hyperseg_tf.ops.block import fuse


def build(preset, maps, signal, folded=False) -> list:
    """Wire the decoder as one model named "decoder".

    Args:
        preset: With `dynamic=False`.
        maps: The image and F1..F5, symbolic: (B, H, W, C) each.
        signal: (B, h, w, C), beside F5 at level 0.
        folded: Build convolutions with a bias in place of batch normalization.

    Returns:
        The output of every level, coarse to fine.
    """
    level_layouts, _ = decoder_layout(preset)
    inputs = [keras.Input(x.shape[1:], name=f"map_{i}") for i, x in enumerate(maps)]
    inputs.append(keras.Input(signal.shape[1:], name="signal"))
    outputs = []
    for i, layout in enumerate(level_layouts):
        name = f"level_{i}"
        feature = inputs[layout.feature]
        if i == 0:
            feature = layers.Concatenate(name=f"{name}_signal")([feature, inputs[-1]])
        x = Fuse(preset.positions, name=f"{name}_fuse")([feature, *outputs[-1:]])
        outputs.append(_block(x, layout, name, folded))
    return keras.Model(inputs, outputs, name="decoder")([*maps, signal])


def _block(x, layout, name, folded):
    if layout.kernel_size == 1:
        return conv_norm(
            x, layout.filters, 1, name=name, activation="relu", folded=folded
        )
    y = conv_norm(
        x, layout.hidden, 1, name=f"{name}_expand", activation="relu6", folded=folded
    )
    y = ReflectPad((layout.kernel_size - 1) // 2, name=f"{name}_pad")(y)
    y = depthwise_norm(
        y,
        layout.kernel_size,
        name=f"{name}_dwconv",
        padding="valid",
        activation="relu6",
        folded=folded,
    )
    y = conv_norm(y, layout.filters, 1, name=f"{name}_project", folded=folded)
    if layout.in_channels == layout.filters:
        y = layers.Add(name=f"{name}_add")([y, x])
    return y


@keras.saving.register_keras_serializable("hyperseg_tf")
class Fuse(layers.Layer):
    """Concatenate coordinates, a feature and the upsampled previous output.

    Args:
        positions: Whether the coordinates come first.

    Shapes:
        feature: (B, H, W, C).
        previous: (B, H/2, W/2, C'); `layer([feature])` is the coarsest level.
        returns: (B, H, W, 2 + C + C'); without positions 2 less.

    Source: Section 3.2; see `ops.block.fuse`.
    """

    def __init__(self, positions=True, **kwargs):
        super().__init__(**kwargs)
        self.positions = positions

    def call(self, inputs):
        return fuse(*inputs, positions=self.positions)

    def compute_output_shape(self, shapes):
        channels = sum(shape[-1] for shape in shapes) + (2 if self.positions else 0)
        return (*shapes[0][:-1], channels)

    def get_config(self):
        return {**super().get_config(), "positions": self.positions}


@keras.saving.register_keras_serializable("hyperseg_tf")
class ReflectPad(layers.Layer):
    """Reflect pixels at every side, without the edge itself.

    Args:
        amount: Pixels at each side; less than H and W.

    Shapes:
        inputs: (B, H, W, C).
        returns: (B, H + 2 * amount, W + 2 * amount, C).
    """

    def __init__(self, amount, **kwargs):
        super().__init__(**kwargs)
        self.amount = amount

    def call(self, x):
        return patches.pad(x, self.amount, "reflect")

    def compute_output_shape(self, shape):
        batch, *size, channels = shape
        size = (None if s is None else s + 2 * self.amount for s in size)
        return (batch, *size, channels)

    def get_config(self):
        return {**super().get_config(), "amount": self.amount}
