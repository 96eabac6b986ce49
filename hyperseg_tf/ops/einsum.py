"""The specification: every step of Eq. 8 as extract_patches and one einsum.

Slow and plain on purpose; the other implementations are tested against it.
A patch here is one row n of the leading axis, N = B * h * w.
"""

import keras
from keras import ops


def neighbourhoods(x, kernel_size: int):
    """Every kernel_size x kernel_size window of a map, extract_patches at stride 1.

    Args:
        x: (N, H, W, C).
        kernel_size: Side of the window.

    Returns:
        (N, H - kernel_size + 1, W - kernel_size + 1, kernel_size**2, C).
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # Keras' own extract_patches multiplies by an identity matrix.
        size, one = [1, kernel_size, kernel_size, 1], [1, 1, 1, 1]
        windows = tf.image.extract_patches(x, size, one, one, "VALID")
        shape = ops.shape(windows)[:3]
        return ops.reshape(windows, (*shape, kernel_size**2, x.shape[-1]))
    height, width = x.shape[1] - kernel_size + 1, x.shape[2] - kernel_size + 1
    return ops.stack(
        [
            x[:, i : i + height, j : j + width]
            for i in range(kernel_size)
            for j in range(kernel_size)
        ],
        axis=3,
    )


def convolve(patches, kernels, groups: int):
    """Convolve every patch with its own kernel, without padding (Eq. 8).

    Args:
        patches: (N, ph + k - 1, pw + k - 1, C).
        kernels: (N, O, C / groups, k, k).
        groups: Channel groups; divides C and O.

    Returns:
        (N, ph, pw, O).
    """
    _, filters, depth, size, _ = kernels.shape
    taps = neighbourhoods(patches, size)
    shape = ops.shape(taps)[:3]
    taps = ops.reshape(taps, (shape[0], -1, size**2, groups, depth))
    kernels = ops.reshape(kernels, (-1, groups, filters // groups, depth, size**2))
    outputs = ops.einsum("nptgc,ngoct->npgo", taps, kernels)
    return ops.reshape(outputs, (*shape, filters))


def pointwise(patches, kernels):
    """1x1 convolution: (N, r, s, C) with kernels (N, O, C) -> (N, r, s, O)."""
    return ops.einsum("nrsc,noc->nrso", patches, kernels)


def depthwise(patches, kernels):
    """Depthwise convolution: (N, r, s, C) with kernels (N, C, k, k), no padding."""
    _, channels, size, _ = kernels.shape
    taps = neighbourhoods(patches, size)
    kernels = ops.reshape(kernels, (-1, channels, size**2))
    return ops.einsum("nrstc,nct->nrsc", taps, kernels)
