"""The compiled path: XLA where it is fast, stock kernels where those are faster.

For inference a whole level is compiled (`choice.compile_if`). For training each step
is taken where it runs best on a CPU: padding, cutting and the depthwise products are
compiled, matrix products and batch normalization are stock kernels, and the depthwise
gradient is written out, since the automatic one is several times slower than the pass
itself. TensorFlow only.
"""

import functools

import tensorflow as tf

from hyperseg_tf.ops import slices

convolve = slices.convolve
pointwise = slices.pointwise


def compiled(function):
    """Compile a function of tensors with XLA; None may stand for an absent one."""
    # One tf.function per set of shapes: XLA compiles for each anyway, and TensorFlow
    # would warn of the retracing when the levels of a network share one.
    functions = {}

    @functools.wraps(function)
    def run(*arguments):
        # Variables are read here: the compiled part sees tensors only.
        tensors = tf.nest.map_structure(_tensor, arguments)
        shapes = str([getattr(t, "shape", None) for t in tf.nest.flatten(tensors)])
        if shapes not in functions:
            functions[shapes] = tf.function(
                lambda *inputs: function(*inputs), jit_compile=True, autograph=False
            )
        return functions[shapes](*tensors)

    return run


def _tensor(value):
    return value if value is None else tf.convert_to_tensor(value)


@tf.custom_gradient
def depthwise(patches, kernels):
    """Depthwise convolution: (N, r, s, C) with kernels (N, C, k, k), no padding."""

    def gradient(upstream):
        return _patches_gradient(upstream, kernels), _kernels_gradient(
            patches, upstream, kernels.shape[-1]
        )

    return _depthwise(patches, kernels), gradient


_depthwise = compiled(slices.depthwise)


@compiled
def _patches_gradient(upstream, kernels):
    """The full correlation: pad the gradient, convolve with the mirrored kernels."""
    border = kernels.shape[-1] - 1
    padded = tf.pad(upstream, [[0, 0], [border, border], [border, border], [0, 0]])
    return slices.depthwise(padded, kernels[:, :, ::-1, ::-1])


def _kernels_gradient(patches, upstream, size):
    """Sums over the pixels of a patch, which stock reductions do faster than XLA."""
    height, width = tf.shape(upstream)[1], tf.shape(upstream)[2]
    rows = [
        tf.stack(
            [
                tf.reduce_sum(
                    patches[:, i : i + height, j : j + width] * upstream, [1, 2]
                )
                for j in range(size)
            ],
            axis=-1,
        )
        for i in range(size)
    ]
    return tf.stack(rows, axis=-2)
