"""TFLite files of a model at one size: written, run, scored."""

from pathlib import Path


def convert(model, size: tuple[int, int], quantized: bool = False) -> bytes:
    """The folded model for images (1, height, width, 3) float32.

    Args:
        model: A `HyperSeg`.
        size: (height, width).
        quantized: Weights in 8 bits, by dynamic range.
    """
    import tensorflow as tf

    folded = model.fold("slices")
    spec = tf.TensorSpec((1, *size, 3), tf.float32)
    call = tf.function(lambda x: folded(x, training=False), input_signature=[spec])
    function = call.get_concrete_function()
    # Told of the model as well, the converter writes a file without its weights.
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
    converter.optimizations = [tf.lite.Optimize.DEFAULT] if quantized else []
    return converter.convert()


def miou(path: Path, data: Path) -> float:
    """mIoU of a file over the validation part of a data folder."""
    import numpy as np

    from hyperseg_tf.evaluation.metrics import ConfusionMatrix, mean_iou
    from hyperseg_tf.pipelines import Normalise, Stream, open_dataset

    dataset = open_dataset(data, "val")
    run = interpreter(path, 2)
    matrix = ConfusionMatrix(len(dataset.classes))
    stream = Stream(
        dataset,
        (Normalise(),),
        batch_size=1,
        seed=0,
        count=len(dataset),
        shuffle=False,
    )
    for images, labels in stream:
        matrix.update_state(labels, run(np.asarray(images)))
    return mean_iou(matrix.counts())


def interpreter(path: Path, threads: int):
    """A function (1, H, W, 3) -> logits that TFLite's interpreter computes."""
    import warnings

    import tensorflow as tf

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it will move to another package
        runtime = tf.lite.Interpreter(str(path), num_threads=threads)
    runtime.allocate_tensors()
    (source,), (target,) = (
        runtime.get_input_details(),
        runtime.get_output_details(),
    )

    def run(images):
        runtime.set_tensor(source["index"], images)
        runtime.invoke()
        return runtime.get_tensor(target["index"])

    return run
