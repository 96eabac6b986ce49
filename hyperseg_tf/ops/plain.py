"""What the custom ops compute, in TensorFlow's own operations.

Their gradients run these again, and their tests compare with them.
"""

import math

import tensorflow as tf

from hyperseg_tf.ops.block import Block, block_kernels
from hyperseg_tf.ops.generate import generate
from hyperseg_tf.ops.path import PLAIN


def block(
    feature,
    previous,
    signal,
    head,
    shifts,
    *,
    filters,
    hidden,
    kernel_size,
    groups,
    offset,
    start,
    positions,
    halo,
    padding,
):
    """What `fused.block` computes; the same arguments."""
    channels = feature.shape[-1] + 2 * positions
    channels += 0 if previous is None else previous.shape[-1]
    weights = generate(signal, head, groups, offset) if groups else signal
    kernels = block_kernels(channels, hidden, filters, kernel_size)
    used = sum(math.prod(shape) for shape in kernels)
    level = Block(
        filters,
        kernel_size,
        hidden // channels,
        halo,
        padding,
        positions,
        0.0,
        PLAIN["slices", False],
    )
    norms = [(shift,) for shift in shifts]
    y, _ = level(feature, previous, weights[..., start : start + used], norms)
    return y


def expand_depthwise(
    x, expand, shift1, depthwise, shift2, stride, borders=(), activation="swish"
):
    """What `mobile.expand_depthwise` computes."""
    activate = {"swish": tf.nn.silu, "relu6": tf.nn.relu6}[activation]
    if expand is not None:
        x = activate(tf.nn.conv2d(x, expand[None, None], 1, "VALID") + shift1)
    if borders:
        x = tf.pad(x, [[0, 0], borders, borders, [0, 0]])
    mode = "VALID" if borders else "SAME"
    strides = (1, stride, stride, 1)
    x = tf.nn.depthwise_conv2d(x, depthwise[..., None], strides, mode)
    x = activate(x + shift2)
    return x, tf.reduce_mean(x, (1, 2))


def squeeze_excite(mean, reduce, shift1, expand, shift2):
    """What `mobile.squeeze_excite` computes."""
    return tf.sigmoid(tf.nn.silu(mean @ reduce + shift1) @ expand + shift2)


def gated_project(x, gate, project, shift, residual=None):
    """What `mobile.gated_project` computes."""
    x = x if gate is None else x * gate[:, None, None]
    y = tf.nn.conv2d(x, project[None, None], 1, "VALID") + shift
    return y if residual is None else y + residual
