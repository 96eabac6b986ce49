"""The model itself in TensorFlow, as `predict` and `evaluate` run it."""


def open_export(path: str, threads: int):
    """Load a `.keras` file; 0 threads: TensorFlow chooses."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(min(threads, 1))
    from hyperseg_tf.inference.segmenter import Segmenter, open_model

    return Segmenter(open_model(path)).logits
