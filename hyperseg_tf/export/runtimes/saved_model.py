"""A SavedModel in TensorFlow, by its endpoint `serving_default`."""

import os

import numpy as np


def open_export(path: str, threads: int):
    """Load a folder or its `saved_model.pb`; 0 threads: TensorFlow chooses."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(min(threads, 1))
    folder = os.path.dirname(path) if path.endswith(".pb") else path
    endpoint = tf.saved_model.load(folder).signatures["serving_default"]
    dtype = endpoint.structured_input_signature[1]["images"].dtype

    def run(images):
        (output,) = endpoint(images=tf.cast(images, dtype)).values()
        return np.asarray(output)

    return run
