"""How long whoever takes the batches waited for them.

A stream works ahead, so what it costs says nothing about that; the time from the
question for a batch to the answer does. Both moments are taken inside tf.data: a
training loop asks from a graph.
"""

import numpy as np
import tensorflow as tf


class Waiting:
    """Seconds that were waited for the batches of the streams it was laid around."""

    def __init__(self):
        with tf.device("CPU"):
            self._seconds = tf.Variable(0.0, dtype=tf.float64, trainable=False)

    @property
    def seconds(self) -> float:
        """Of all batches taken so far."""
        return float(self._seconds.numpy())

    def around(self, batches: tf.data.Dataset) -> tf.data.Dataset:
        """The same batches, whose waiting is counted.

        To be iterated as it is: behind another prefetch it would count that one's.
        """

        def asked(_: tf.Tensor) -> tf.Tensor:
            return tf.timestamp()

        def answered(begin: tf.Tensor, batch: tuple) -> tuple:
            self._seconds.assign_add(tf.timestamp() - begin)
            return batch

        # The parts of a pair are made one after the other, in this order.
        begins = tf.data.Dataset.range(np.iinfo(np.int64).max).map(asked)
        timed = tf.data.Dataset.zip((begins, batches)).map(answered)
        options = tf.data.Options()
        # Nothing may work ahead of the question.
        options.experimental_optimization.inject_prefetch = False
        options.experimental_optimization.map_parallelization = False
        timed = timed.with_options(options)
        length = batches.cardinality()
        return timed.apply(tf.data.experimental.assert_cardinality(length))
