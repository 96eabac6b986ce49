"""Blocks in TensorFlow: our dynamic ones, and the static one of equal shapes.

The functions are factories of `harness.Competitor`: label to a call of the block.
"""

from collections.abc import Mapping

from benchmarks import harness
from benchmarks.blocks import inputs
from benchmarks.blocks.spec import BlockSpec


def dynamic(
    *, threads: int, blocks: Mapping[str, BlockSpec], implementation: str
) -> harness.Steps:
    """`WeightHead` and `Level` of the model, folded, in a `tf.function`.

    Args:
        threads: Of TensorFlow's pools.
        blocks: By label.
        implementation: Of `Level`: "einsum", "xla" or "fused". The fused op generates
            the weights itself, and the graph drops the head's product.
    """
    limit_threads(threads)
    return {
        label: _dynamic_step(block, implementation) for label, block in blocks.items()
    }


def _dynamic_step(block: BlockSpec, implementation: str):
    import tensorflow as tf

    from hyperseg_tf.network.decoder import Level
    from hyperseg_tf.network.weight_head import WeightHead

    values = inputs.draw(block)
    maps = [values.feature, *([values.previous] if block.previous_channels else [])]
    head = WeightHead(
        block.units, block.groups, block.offset, block.groups * block.depth
    )
    head.build(values.signal.shape)
    head.kernel.assign(values.head)
    level = Level(
        block.filters,
        block.kernel_size,
        start=block.start,
        groups=block.groups,
        offset=block.offset,
        expand_ratio=block.hidden // block.channels,
        halo=block.halo,
        folded=True,
        implementation=implementation,
    )
    weights_shape = (*values.signal.shape[:-1], block.units)
    level.build([*(x.shape for x in maps), weights_shape])
    for variable, bias in zip(level.biases, values.biases, strict=True):
        variable.assign(bias)

    @tf.function
    def run(signal, *maps):
        weights, kernel = head(signal, return_kernel=True)
        return level([*maps, weights], signal=signal, kernel=kernel, training=False)

    tensors = [tf.constant(x) for x in (values.signal, *maps)]
    return lambda: run(*tensors)


def static(
    *, threads: int, blocks: Mapping[str, BlockSpec], frozen: bool
) -> harness.Steps:
    """Stock operations with one set of kernels for the whole map.

    Args:
        threads: Of TensorFlow's pools.
        blocks: By label.
        frozen: Kernels are constants of the graph; else variables of a `tf.function`.
    """
    limit_threads(threads)
    return {label: _static_step(block, frozen) for label, block in blocks.items()}


def _static_step(block: BlockSpec, frozen: bool):
    import tensorflow as tf

    from hyperseg_tf.ops.block import fuse
    from hyperseg_tf.profiling.freeze import freeze

    values = inputs.draw(block)
    biases = [tf.Variable(bias) for bias in values.biases]
    # (out, in) -> (1, 1, in, out), (out, k, k) -> (k, k, out, 1).
    kernels = [
        tf.Variable(k.transpose(1, 0)[None, None] if k.ndim == 2 else _depthwise(k))
        for k in values.kernels
    ]

    def pointwise(x, i):
        y = tf.nn.conv2d(x, kernels[i], 1, "VALID")
        return tf.nn.bias_add(y, biases[i])

    @tf.function
    def run(feature, previous=None):
        x = fuse(feature, previous)
        if not block.hidden:
            return tf.nn.relu(pointwise(x, 0))
        y = tf.nn.relu6(pointwise(x, 0))
        around = [block.radius, block.radius]
        y = tf.pad(y, [[0, 0], around, around, [0, 0]], "REFLECT")
        y = tf.nn.depthwise_conv2d(y, kernels[1], [1, 1, 1, 1], "VALID")
        y = tf.nn.relu6(tf.nn.bias_add(y, biases[1]))
        y = pointwise(y, 2)
        return y + x if block.channels == block.filters else y

    maps = [values.feature, *([values.previous] if block.previous_channels else [])]
    tensors = [tf.constant(x) for x in maps]
    if not frozen:
        return lambda: run(*tensors)
    specs = [tf.TensorSpec(x.shape, x.dtype) for x in tensors]
    return freeze(run, specs)(*tensors)


def _depthwise(kernel):
    return kernel.transpose(1, 2, 0)[..., None]


def limit_threads(threads: int) -> None:
    """Give TensorFlow's pools that many threads; before its first operation."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
