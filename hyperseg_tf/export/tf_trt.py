"""TF-TRT: a SavedModel whose network is TensorRT engines, run by TensorFlow.

TensorFlow has it up to 2.17, linked to TensorRT 8.6; `make tf217` sets that up beside.
Engines are built for the GPU at hand and are in the folder; on another one TensorFlow
builds new ones at the first request.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.export import probe
from hyperseg_tf.export.graph import ServingGraph
from hyperseg_tf.export.options import Options

_PRECISIONS = {"float32": "FP32", "float16": "FP16"}


def write(graph: ServingGraph, folder: Path, facts: dict) -> None:
    """Write the folder; the facts are beside the model in it.

    Raises:
        UserError: TensorFlow, TensorRT or the GPU is missing.
    """
    # Before its converter is made: that ends the process where TensorRT is missing.
    missing = probe.missing_for_tf_trt()
    if missing:
        raise UserError(f"TF-TRT needs {', and '.join(missing)}; nothing was written.")
    with tempfile.TemporaryDirectory() as scratch:
        convert(graph.save(Path(scratch)), folder, graph.options)


def convert(saved_model: Path, folder: Path, options: Options) -> None:
    """Convert a SavedModel of one signature and build its engines.

    Args:
        saved_model: Its `serving_default` takes uint8 `images` (B, H, W, 3).
        folder: Where the converted one goes.
        options: Precision, size and batch.
    """
    from tensorflow.python.compiler.tensorrt import trt_convert

    converter = trt_convert.TrtGraphConverterV2(
        input_saved_model_dir=str(saved_model),
        precision_mode=_PRECISIONS[options.precision],
        # Otherwise the first dimension of every tensor would have to be the batch, and
        # patches are batches of another size.
        use_dynamic_shape=True,
        dynamic_shape_profile_strategy="Optimal",
        allow_build_at_runtime=True,
    )
    converter.convert()
    converter.build(input_fn=lambda: _inputs(options))
    converter.save(str(folder))


def _inputs(options: Options) -> Iterator[tuple[np.ndarray]]:
    """Pictures of the one size that an engine is built for."""
    yield (np.zeros((options.batch, *options.size, 3), np.uint8),)
