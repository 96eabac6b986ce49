"""The dynamic convolution from slices, matrix products and shifted multiply-adds.

The same functions as in `einsum`, in the operations that every backend and export
format knows, and in the form that XLA fuses best.
"""

from keras import ops


def convolve(patches, kernels, groups: int):
    """Convolve every patch with its own kernel; see `einsum.convolve`."""
    _, filters, depth, size, _ = kernels.shape
    if groups == filters and depth == 1:
        return depthwise(patches, ops.squeeze(kernels, axis=2))
    batch, height, width = ops.shape(patches)[:3]
    height, width = height - size + 1, width - size + 1
    outputs = None
    for i in range(size):
        for j in range(size):
            tap = patches[:, i : i + height, j : j + width]
            tap = ops.reshape(tap, (batch, height * width, groups, depth))
            kernel = ops.reshape(
                kernels[:, :, :, i, j], (-1, groups, filters // groups, depth)
            )
            # (N, g, P, c) x (N, g, c, o)
            product = ops.matmul(
                ops.transpose(tap, (0, 2, 1, 3)), ops.transpose(kernel, (0, 1, 3, 2))
            )
            outputs = product if outputs is None else outputs + product
    outputs = ops.transpose(outputs, (0, 2, 1, 3))
    return ops.reshape(outputs, (batch, height, width, filters))


def pointwise(patches, kernels):
    """1x1 convolution: (N, r, s, C) with kernels (N, O, C) -> (N, r, s, O)."""
    batch, height, width = ops.shape(patches)[:3]
    _, filters, channels = kernels.shape
    pixels = ops.reshape(patches, (batch, height * width, channels))
    outputs = ops.matmul(pixels, ops.transpose(kernels, (0, 2, 1)))
    return ops.reshape(outputs, (batch, height, width, filters))


def depthwise(patches, kernels):
    """Depthwise convolution: (N, r, s, C) with kernels (N, C, k, k), no padding."""
    _, channels, size, _ = kernels.shape
    height, width = ops.shape(patches)[1:3]
    height, width = height - size + 1, width - size + 1
    outputs = None
    for i in range(size):
        for j in range(size):
            kernel = ops.reshape(kernels[:, :, i, j], (-1, 1, 1, channels))
            product = patches[:, i : i + height, j : j + width] * kernel
            outputs = product if outputs is None else outputs + product
    return outputs
