"""The custom ops as functions of tensors: a block, a convolution, a stage of training.

TensorFlow only. See `docs/dpwconv.md` for what the kernels do and why.
"""

import functools

import tensorflow as tf

from hyperseg_tf.ops import build, gradients  # noqa: F401 (registers them)


@functools.cache
def unavailable() -> str | None:
    """Why the ops cannot be used here, None if they can; builds them on first use."""
    try:
        build.load()
    except build.KernelsUnavailable as error:
        return str(error)
    return None


def unavailable_on_gpu() -> str | None:
    """Why a GPU that is here cannot run the ops; None if it can, or there is none."""
    if not tf.config.get_visible_devices("GPU"):
        return None
    reason = build.no_gpu_kernels()
    return f"the custom ops have no GPU kernels: {reason}" if reason else None


def conv(x, weights, filters: int, kernel_size: int, groups: int, padding: str):
    """Dynamic patch-wise convolution (Eq. 8); see `dpw_conv.dynamic_patch_conv`.

    Args:
        x: (B, H, W, C) float32, bfloat16 or float16.
        weights: (B, h, w, P) of the same type; h and w divide H and W.
        filters: Output channels O.
        kernel_size: Odd side of the kernels.
        groups: Channel groups.
        padding: What lies outside the map.

    Returns:
        (B, H, W, O). Differentiable once with respect to x and weights.

    Raises:
        tf.errors.InvalidArgumentError: The sizes do not fit each other.
    """
    options = {
        "filters": filters,
        "kernel_size": kernel_size,
        "groups": groups,
        "padding": padding,
    }
    ops = build.load()

    @tf.custom_gradient
    def run(x, weights):
        def gradient(upstream):
            return ops.dpw_conv_grad(x=x, weights=weights, gradient=upstream, **options)

        return ops.dpw_conv(x=x, weights=weights, **options), gradient

    return run(tf.convert_to_tensor(x), tf.convert_to_tensor(weights))


def stage(x, gamma, beta, kernels, filters: int, kernel_size: int, epsilon: float):
    """Batch normalization, ReLU6 and a dynamic convolution of patches, in training.

    The normalised map is made again in the cache when it is needed, and never stored.
    On the CPU, in float32.

    Args:
        x: (N, r, s, C), the patches with their halo.
        gamma: (C,).
        beta: (C,).
        kernels: (N, P). Kernel 1: pointwise, P = filters * C in the order (filter,
            channel). Else depthwise with `filters` = C, P = C * kernel_size**2.
        filters: Output channels O.
        kernel_size: Odd side of the kernels; nothing is padded.
        epsilon: Added to the variance of the batch.

    Returns:
        (N, r - kernel_size + 1, s - kernel_size + 1, O), and the (C,) mean and unbiased
        variance of x; the latter two pass no gradient.

    Raises:
        tf.errors.InvalidArgumentError: The sizes do not fit each other.
    """
    options = {"filters": filters, "kernel_size": kernel_size, "epsilon": epsilon}
    ops = build.load()

    @tf.custom_gradient
    def run(*inputs):
        y, mean, variance = ops.dpw_stage(*inputs, **options)

        def gradient(upstream, *_):
            return ops.dpw_stage_grad(*inputs, mean, variance, upstream, **options)

        return (y, mean, variance), gradient

    return run(*(tf.convert_to_tensor(value) for value in (x, gamma, beta, kernels)))


def block(
    feature,
    previous,
    signal,
    head,
    shifts,
    *,
    filters: int,
    hidden: int,
    kernel_size: int,
    groups: int = 0,
    offset: int = 0,
    start: int = 0,
    positions: bool = True,
    halo: str = "patch",
    padding: str = "reflect",
):
    """A decoder level for inference, from the signal to its output.

    Args:
        feature: (B, H, W, C).
        previous: (B, H/2, W/2, C') or None.
        signal: (B, h, w, S); the weights themselves without `head`.
        head: (depth, units), the kernel of a `WeightHead`, or None.
        shifts: Per convolution (channels,), added behind it.
        filters: Output channels.
        hidden: Hidden channels of the inverted residual; 0 for a pointwise level.
        kernel_size: Side of the depthwise kernel, 1 for a pointwise level.
        groups: Groups of the weight head, 0 without.
        offset: First channel of the signal that it reads.
        start: First of this level's weights among its units.
        positions: Concatenate coordinates first.
        halo: "patch" or "neighbour"; see `Preset.halo`.
        padding: What lies outside the map.

    Returns:
        (B, H, W, filters). The gradient runs the plain formulation again: correct, but
        no faster than that.

    Raises:
        tf.errors.InvalidArgumentError: The sizes do not fit each other.
    """
    dtype = feature.dtype
    if previous is None:
        previous = tf.zeros((0, 0, 0, 0), dtype)
    if head is None:
        head = tf.zeros((0, 0), dtype)
    shifts = [tf.cast(tf.convert_to_tensor(shift), dtype) for shift in shifts]
    none = tf.zeros((0,), dtype)
    first, second, last = shifts if hidden else (none, none, *shifts)
    return build.load().dpw_block(
        feature=feature,
        previous=previous,
        signal=tf.cast(signal, dtype),
        head=tf.cast(tf.convert_to_tensor(head), dtype),
        shift1=first,
        shift2=second,
        shift3=last,
        filters=filters,
        hidden=hidden,
        kernel_size=kernel_size,
        groups=groups,
        offset=offset,
        start=start,
        positions=positions,
        halo=halo,
        padding=padding,
    )
