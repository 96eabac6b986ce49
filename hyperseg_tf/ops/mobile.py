"""The parts of a mobile inverted bottleneck as functions of tensors.

TensorFlow on the CPU, float32, inference; see `docs/dpwconv.md`.
"""

from collections.abc import Sequence

import tensorflow as tf

from hyperseg_tf.ops import build, gradients  # noqa: F401 (registers them)


def expand_depthwise(
    x,
    expand,
    shift1,
    depthwise,
    shift2,
    stride: int,
    borders: Sequence[int] = (),
    activation: str = "swish",
):
    """Pointwise expansion and depthwise convolution, each activated; and the mean.

    Args:
        x: (B, H, W, C) float32.
        expand: (C, M), or None without an expansion (M is C then).
        shift1: (M,), None without an expansion.
        depthwise: (k, k, M).
        shift2: (M,).
        stride: Of the depthwise convolution.
        borders: Zeros before and after the hidden rows and columns; none for SAME.
        activation: "swish" or "relu6", behind both convolutions.

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
        activation=activation,
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
    """Pointwise projection of x times its gate, if there are gates, plus the residual.

    Args:
        x: (B, H, W, M) float32.
        gate: (B, M) or None.
        project: (M, O).
        shift: (O,).
        residual: (B, H, W, O) or None.

    Returns:
        (B, H, W, O).

    Raises:
        tf.errors.InvalidArgumentError: The sizes do not fit each other.
    """
    if gate is None:
        gate = tf.zeros((0, 0))
    if residual is None:
        residual = tf.zeros((0, 0, 0, 0))
    return build.load().gated_project(
        x=x, gate=gate, project=project, shift=shift, residual=residual
    )
