"""The parts of a mobile inverted bottleneck as functions of tensors.

TensorFlow on the CPU, float32, inference; see `docs/dpwconv.md`.
"""

from collections.abc import Sequence

import tensorflow as tf

from hyperseg_tf.ops import build


def expand_depthwise(
    x, expand, shift1, depthwise, shift2, stride: int, borders: Sequence[int] = ()
):
    """Pointwise expansion, swish, depthwise convolution, swish; and the mean.

    Args:
        x: (B, H, W, C) float32.
        expand: (C, M), or None without an expansion (M is C then).
        shift1: (M,), None without an expansion.
        depthwise: (k, k, M).
        shift2: (M,).
        stride: Of the depthwise convolution.
        borders: Zeros before and after the hidden rows and columns; none for SAME.

    Returns:
        (B, H', W', M), and its mean over the pixels (B, M).

    Raises:
        tf.errors.InvalidArgumentError: The sizes do not fit each other.
    """
    if expand is None:
        expand, shift1 = tf.zeros((0, 0)), tf.zeros((0,))
    return build.load().expand_depthwise(
        x=x,
        expand=expand,
        shift1=shift1,
        depthwise=depthwise,
        shift2=shift2,
        stride=stride,
        borders=list(borders),
    )


def squeeze_excite(mean, reduce, shift1, expand, shift2):
    """Gates of the channels: sigmoid(expand(swish(reduce(mean)))).

    Args:
        mean: (B, M) float32.
        reduce: (M, R).
        shift1: (R,).
        expand: (R, M).
        shift2: (M,).

    Returns:
        (B, M), from 0 to 1.

    Raises:
        tf.errors.InvalidArgumentError: The sizes do not fit each other.
    """
    return build.load().squeeze_excite(
        mean=mean, reduce=reduce, shift1=shift1, expand=expand, shift2=shift2
    )


def gated_project(x, gate, project, shift, residual=None):
    """Pointwise projection of x times its gate, plus the residual.

    Args:
        x: (B, H, W, M) float32.
        gate: (B, M).
        project: (M, O).
        shift: (O,).
        residual: (B, H, W, O) or None.

    Returns:
        (B, H, W, O).

    Raises:
        tf.errors.InvalidArgumentError: The sizes do not fit each other.
    """
    if residual is None:
        residual = tf.zeros((0, 0, 0, 0))
    return build.load().gated_project(
        x=x, gate=gate, project=project, shift=shift, residual=residual
    )


def plain_expand_depthwise(x, expand, shift1, depthwise, shift2, stride, borders=()):
    """What `expand_depthwise` computes, in TensorFlow's own operations."""
    if expand is not None:
        x = tf.nn.silu(tf.nn.conv2d(x, expand[None, None], 1, "VALID") + shift1)
    if borders:
        x = tf.pad(x, [[0, 0], borders, borders, [0, 0]])
    mode = "VALID" if borders else "SAME"
    strides = (1, stride, stride, 1)
    x = tf.nn.depthwise_conv2d(x, depthwise[..., None], strides, mode)
    x = tf.nn.silu(x + shift2)
    return x, tf.reduce_mean(x, (1, 2))


def plain_squeeze_excite(mean, reduce, shift1, expand, shift2):
    """What `squeeze_excite` computes, in TensorFlow's own operations."""
    return tf.sigmoid(tf.nn.silu(mean @ reduce + shift1) @ expand + shift2)


def plain_gated_project(x, gate, project, shift, residual=None):
    """What `gated_project` computes, in TensorFlow's own operations."""
    y = tf.nn.conv2d(x * gate[:, None, None], project[None, None], 1, "VALID") + shift
    return y if residual is None else y + residual


@tf.RegisterGradient("ExpandDepthwise")
def _expand_gradient(op, upstream, upstream_mean):
    def plain(x, expand, shift1, depthwise, shift2):
        expanded = expand.shape[0] > 0
        return plain_expand_depthwise(
            x,
            expand if expanded else None,
            shift1,
            depthwise,
            shift2,
            op.get_attr("stride"),
            op.get_attr("borders"),
        )

    return _gradient(op, plain, [upstream, upstream_mean])


@tf.RegisterGradient("SqueezeExcite")
def _excite_gradient(op, upstream):
    return _gradient(op, plain_squeeze_excite, upstream)


@tf.RegisterGradient("GatedProject")
def _project_gradient(op, upstream):
    def plain(x, gate, project, shift, residual):
        residual = residual if residual.shape[-1] else None
        return plain_gated_project(x, gate, project, shift, residual)

    return _gradient(op, plain, upstream)


def _gradient(op, plain, upstream):
    inputs = [tf.convert_to_tensor(value) for value in op.inputs]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = plain(*inputs)
    return tape.gradient(outputs, inputs, upstream, unconnected_gradients="zero")
