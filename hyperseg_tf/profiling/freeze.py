"""A function of tensors as a graph without variables; TensorFlow only."""

from collections.abc import Callable, Sequence


def freeze(function: Callable, specs: Sequence) -> Callable[..., Callable]:
    """Trace `function` and turn its variables into constants.

    Args:
        function: Of tensors, by position.
        specs: A `tf.TensorSpec` for each of them.

    Returns:
        A function that takes such tensors and returns one without arguments, which
        computes the list of outputs for them. (Called with the tensors themselves,
        TensorFlow's frozen function first fails to bind them to the traced names, and
        prints them all into a message that nobody sees: milliseconds per call.)
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    traced = tf.function(function).get_concrete_function(*specs)
    constant = convert_variables_to_constants_v2(traced)

    def bind(*inputs):
        return tf.function(lambda: constant(*inputs))

    return bind
