"""From the signal to generated weights (Eq. 3), as a function of tensors."""

from keras import ops


def generate(signal, kernel, groups: int, offset: int = 0):
    """Grouped 1x1 projection of a slice of the signal.

    Args:
        signal: (B, h, w, S).
        kernel: (depth, units); each group reads `depth` channels.
        groups: Number of groups; divides `units`.
        offset: First channel of the signal to read.

    Returns:
        (B, h, w, units).
    """
    depth, units = kernel.shape
    grid = ops.shape(signal)[:-1]
    width = units // groups
    # One matrix product per group: (g, cells, depth) x (g, depth, width).
    signal = signal[..., offset : offset + groups * depth]
    slices = ops.reshape(signal, (-1, groups, depth))
    kernel = ops.reshape(kernel, (depth, groups, width))
    weights = ops.matmul(
        ops.transpose(slices, (1, 0, 2)), ops.transpose(kernel, (1, 0, 2))
    )
    weights = ops.transpose(weights, (1, 0, 2))
    return ops.reshape(weights, (*grid, units))
