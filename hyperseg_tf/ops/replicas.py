"""Sums over the devices that share a batch, where there are several."""

import keras


def count() -> int:
    """Devices that share the batch of what is being traced; 1 where there is one."""
    if keras.backend.backend() != "tensorflow":
        # JAX's arrays are of all devices at once.
        return 1
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    return 1 if context is None else context.num_replicas_in_sync


def total(x):
    """The sum of a tensor over all devices; its gradient is the sum of theirs.

    The strategy's own `all_reduce` has a gradient, too. To be told which variables it
    depends on, TensorFlow walks there through the graph of the other devices, once
    for each call: the gradients of a hundred normalizations take many minutes to trace.
    It does not walk beyond what has no gradient.
    """
    import tensorflow as tf

    @tf.custom_gradient
    def summed(x):
        return tf.stop_gradient(_reduced(x)), _reduced

    return summed(x)


def _reduced(x):
    import tensorflow as tf

    def merge(strategy, value):
        return strategy.extended.reduce_to(tf.distribute.ReduceOp.SUM, value, value)

    return tf.distribute.get_replica_context().merge_call(merge, args=(x,))
