"""OpenVINO IR by way of ONNX, `model.xml` and `model.bin`; sizes and batch may be free.

Not by its own reader of TensorFlow graphs: that one merges the padding of a known size
with the first convolution's and loses the latter.
"""

import tempfile
from collections.abc import Collection
from pathlib import Path

from hyperseg_tf.export import onnx as onnx_format
from hyperseg_tf.export.graph import ServingGraph
from hyperseg_tf.export.onnx_integers import OnnxIntegers
from hyperseg_tf.export.signature import FACTS_KEY, compact


def write(graph: ServingGraph, folder: Path, facts: dict) -> None:
    """Write the two files; the facts are in the `rt_info` of the first."""
    save(converted(graph), graph, folder, facts)


def quantizer(graph: ServingGraph) -> "Integers":
    """What makes an `openvino.Model` of int8 for `save`."""
    return Integers(onnx_format.quantizer(graph))


def save(model, graph: ServingGraph, folder: Path, facts: dict) -> None:
    """Write an `openvino.Model` with the facts."""
    import openvino

    model.set_rt_info(compact(facts), FACTS_KEY)
    openvino.save_model(
        model,
        folder / "model.xml",
        compress_to_fp16=graph.options.precision == "float16",
    )


def converted(graph: ServingGraph):
    """The graph as an `openvino.Model` in float32."""
    return _of_onnx(onnx_format.converted(graph))


class Integers:
    """Of `onnx_integers.OnnxIntegers`, read by OpenVINO.

    Attributes:
        layers: As of `integers.Quantizer`.
    """

    def __init__(self, integers: OnnxIntegers) -> None:
        self.layers = integers.layers
        self._integers = integers

    def made(self, kept: Collection[str] = ()):
        """An `openvino.Model` whose layers `kept` stay in float32."""
        return _of_onnx(self._integers.made(kept))

    def save(self, made, folder: Path) -> None:
        """Write what `made` returned as `model.xml` and `model.bin`."""
        import openvino

        openvino.save_model(made, folder / "model.xml", compress_to_fp16=False)


def _of_onnx(model):
    import onnx
    import openvino

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "model.onnx")
        onnx.save(model, str(path))
        return openvino.convert_model(path)
