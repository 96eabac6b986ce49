"""Gradients of the custom ops that have none of their own, registered on import.

The plain formulation runs again, and TensorFlow differentiates that: correct, and no
faster than it.
"""

import tensorflow as tf

from hyperseg_tf.ops import plain

_BLOCK = ("filters", "hidden", "kernel_size", "groups", "offset", "start")
_BLOCK += ("positions", "halo", "padding")


@tf.RegisterGradient("DpwBlock")
def _block_gradient(op, upstream):
    options = {name: op.get_attr(name) for name in _BLOCK}
    options |= {k: v.decode() for k, v in options.items() if isinstance(v, bytes)}

    def formula(feature, previous, signal, head, *shifts):
        previous = previous if previous.shape[-1] else None
        shifts = shifts if options["hidden"] else shifts[2:]
        return plain.block(feature, previous, signal, head, shifts, **options)

    return _recompute(op, formula, upstream)


@tf.RegisterGradient("ExpandDepthwise")
def _expand_gradient(op, upstream, upstream_mean):
    def formula(x, expand, shift1, depthwise, shift2):
        expanded = expand.shape[0] > 0
        return plain.expand_depthwise(
            x,
            expand if expanded else None,
            shift1,
            depthwise,
            shift2,
            op.get_attr("stride"),
            op.get_attr("borders"),
            op.get_attr("activation").decode(),
        )

    return _recompute(op, formula, [upstream, upstream_mean])


@tf.RegisterGradient("SqueezeExcite")
def _excite_gradient(op, upstream):
    return _recompute(op, plain.squeeze_excite, upstream)


@tf.RegisterGradient("GatedProject")
def _project_gradient(op, upstream):
    def formula(x, gate, project, shift, residual):
        residual = residual if residual.shape[-1] else None
        gate = gate if gate.shape[-1] else None
        return plain.gated_project(x, gate, project, shift, residual)

    return _recompute(op, formula, upstream)


def _recompute(op, formula, upstream):
    """Gradients of all inputs, by way of a formula of the same inputs."""
    inputs = [tf.convert_to_tensor(value) for value in op.inputs]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = formula(*inputs)
    return tape.gradient(outputs, inputs, upstream, unconnected_gradients="zero")
