"""Convolution, batch normalization, activation: the unit that folding works on.

Folded, the same unit is one convolution with a bias.
"""

from keras import layers

from hyperseg_tf.network.batch_norm import NORM, BatchNorm


def conv_norm(
    x,
    filters: int,
    kernel_size: int,
    name: str,
    strides: int = 1,
    padding: str = "same",
    activation: str | None = None,
    norm: dict | None = None,
    init="he_normal",
    folded: bool = False,
    use_bias: bool = False,
):
    """Regular convolution, batch normalization, activation.

    Args:
        x: (B, H, W, C).
        filters: Output channels.
        kernel_size: Side of the kernel.
        name: Prefix; the layers are `{name}_conv`, `{name}_bn`, `{name}_activation`.
        strides: Stride.
        padding: "same" or "valid".
        activation: Keras name, or None.
        norm: Arguments of the batch normalization; None for `batch_norm.NORM`.
        init: Kernel initializer.
        folded: Convolution with bias and no batch normalization.
        use_bias: A bias in front of the normalization, as some ImageNet files have.

    Returns:
        (B, H', W', filters).
    """
    x = layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding=padding,
        use_bias=use_bias or folded,
        kernel_initializer=init,
        name=f"{name}_conv",
    )(x)
    return _finish(x, name, f"{name}_bn", activation, norm, folded)


def depthwise_norm(
    x,
    kernel_size: int,
    name: str,
    strides: int = 1,
    padding: str = "same",
    activation: str | None = None,
    norm: dict | None = None,
    init="he_normal",
    folded: bool = False,
):
    """Depthwise convolution, batch normalization, activation; see `conv_norm`.

    The layers are named `{name}` and, as in keras.applications, `{name}` without its
    last syllable plus `bn`.
    """
    x = layers.DepthwiseConv2D(
        kernel_size,
        strides=strides,
        padding=padding,
        use_bias=folded,
        depthwise_initializer=init,
        name=name,
    )(x)
    return _finish(
        x, name, f"{name.removesuffix('dwconv')}bn", activation, norm, folded
    )


def _finish(x, name, norm_name, activation, norm, folded):
    if not folded:
        x = BatchNorm(**(norm or NORM), name=norm_name)(x)
    if activation:
        x = layers.Activation(activation, name=f"{name}_activation")(x)
    return x
