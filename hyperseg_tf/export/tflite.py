"""TFLite for LiteRT: one size, one batch, builtin operations only.

The file has a signature `serving_default` from `images` to the chosen output. Of free
size it would pad by a vector known at run time, behind which the converter no longer
knows the channels.
"""

import tempfile
from pathlib import Path

import numpy as np

from hyperseg_tf.export import calibration
from hyperseg_tf.export.graph import ServingGraph
from hyperseg_tf.export.signature import FACTS_KEY, compact
from hyperseg_tf.export.tflite_integers import TfliteIntegers

# Of activations, where they are integers; weights have 8.
_BITS = {"int8": 8, "int16x8": 16}


def write(graph: ServingGraph, folder: Path, facts: dict) -> None:
    """Write `model.tflite`; the facts are in its metadata."""
    save(converted(graph), graph, folder, facts)


def quantizer(graph: ServingGraph) -> TfliteIntegers:
    """What makes the contents of a file in integers for `save`."""
    batches = calibration.batches(graph.options, graph.model)
    bits = _BITS[graph.options.precision]
    return TfliteIntegers(converted(graph), list(batches), bits)


def save(contents: bytes, graph: ServingGraph, folder: Path, facts: dict) -> None:
    """Write the contents of a file with the facts."""
    (folder / "model.tflite").write_bytes(with_facts(contents, facts))


def converted(graph: ServingGraph) -> bytes:
    """The file's contents, without facts; in float32 where integers are asked for."""
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as scratch:
        converter = tf.lite.TFLiteConverter.from_saved_model(
            str(graph.save(Path(scratch))), signature_keys=["serving_default"]
        )
        precision = graph.options.precision
        if precision in ("float16", "dynamic"):
            # Of dynamic range: weights of 8 bits, activations quantized as they come.
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if precision == "float16":
            converter.target_spec.supported_types = [tf.float16]
        return converter.convert()


def with_facts(contents: bytes, facts: dict) -> bytes:
    """The same file with one more entry in its metadata."""
    from tensorflow.lite.python import schema_py_generated as schema
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(contents))
    # The AI Edge quantizer writes large buffers behind the rest of the file.
    for buffer in model.buffers:
        if buffer.offset > 1:
            part = memoryview(contents)[buffer.offset : buffer.offset + buffer.size]
            buffer.data, buffer.offset, buffer.size = np.frombuffer(part, "u1"), 0, 0
    buffer = schema.BufferT()
    buffer.data = list(compact(facts).encode())
    entry = schema.MetadataT()
    entry.name = FACTS_KEY
    entry.buffer = len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or ()), entry]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))
