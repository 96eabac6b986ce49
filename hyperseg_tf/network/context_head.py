"""The context head (Section 3.1): a nested U-Net from the head to the signal."""

import keras
from keras import layers, ops

from hyperseg_tf.network.conv_norm import conv_norm
from hyperseg_tf.presets import CONTEXT_HEADS


def build(channels: int, levels: int, form: str, folded: bool = False) -> keras.Model:
    """Build the context head.

    Args:
        channels: Channels C of the backbone's head, and of the signal.
        levels: Depth of the nested U-Net; `levels - 1` halvings, then the average.
        form: "concatenate" or "replace"; see `Preset.context_head`.
        folded: Build convolutions with a bias in place of batch normalization.

    Returns:
        keras.Model: (B, h, w, C) -> (B, h, w, C); h and w divide by
        `2 ** (levels - 1)`.
    """
    if form not in CONTEXT_HEADS:
        raise ValueError(f"context head must be in {CONTEXT_HEADS}: got {form!r}.")
    concatenate = form == "concatenate"
    inputs = keras.Input((None, None, channels), name="head")
    x = inputs
    width = channels
    if concatenate:
        width = channels // 2
        x = conv_norm(x, width, 1, name="in", activation="relu", folded=folded)
    maps = [x]
    for i in range(levels - 1):
        maps.append(
            conv_norm(
                maps[-1],
                width,
                2,
                strides=2,
                padding="valid",
                name=f"down{i}",
                activation="relu",
                folded=folded,
            )
        )
    bottom = maps.pop()
    up = GlobalContext(name="global")(bottom)
    if concatenate:
        # The bottom map is kept beside its own average, one fusion deeper.
        maps.append(bottom)
    for i in reversed(range(len(maps))):
        if i < levels - 1:
            up = NearestUpsample(name=f"up{i}")(up)
        both = layers.Concatenate(name=f"join{i}")([maps[i], up])
        if concatenate and i == 0:
            return keras.Model(inputs, both, name="context_head")
        last = not concatenate and i == 0
        up = conv_norm(
            both,
            width,
            1,
            name=f"fuse{i}",
            activation=None if last else "relu",
            folded=folded,
        )
    return keras.Model(inputs, up, name="context_head")


@keras.saving.register_keras_serializable("hyperseg_tf")
class GlobalContext(layers.Layer):
    """The global average, in every pixel (Section 3.1).

    Shapes:
        inputs: (B, h, w, C).
        returns: Same shape and dtype.
    """

    def call(self, x):
        return ops.broadcast_to(ops.mean(x, axis=(1, 2), keepdims=True), ops.shape(x))

    def compute_output_shape(self, shape):
        return shape


@keras.saving.register_keras_serializable("hyperseg_tf")
class NearestUpsample(layers.Layer):
    """Nearest upsampling by two; `keras.layers.UpSampling2D` fails on unknown sizes.

    Shapes:
        inputs: (B, h, w, C); sizes may be unknown in a graph.
        returns: (B, 2h, 2w, C), same dtype.
    """

    def call(self, x):
        batch, height, width = ops.shape(x)[:3]
        channels = x.shape[-1]
        # A pixel twice, then a row twice. Not by `tile` in five dimensions: OpenVINO
        # answers wrongly with sizes left open.
        x = ops.reshape(x, (batch * height, width, channels))
        x = ops.concatenate([x, x], axis=-1)
        x = ops.reshape(x, (batch * height, 2 * width * channels))
        x = ops.concatenate([x, x], axis=-1)
        return ops.reshape(x, (batch, 2 * height, 2 * width, channels))

    def compute_output_shape(self, shape):
        batch, height, width, channels = shape
        return (
            batch,
            None if height is None else 2 * height,
            None if width is None else 2 * width,
            channels,
        )
