"""An ONNX model in int8 as TensorRT takes it: symmetric around zero, biases in float.

TensorRT refuses zero points and integer biases. Only convolutions are quantized: they
are where the time goes, and the weights that the network makes itself have ranges that
no calibration has seen for every patch. Ranges leave out the largest values: one in ten
thousand would take half the steps from all the others. Weights use 7 of their 8 bits:
processors without VNNI add two products in 16 bits, which 8 would overflow, and the
answers would be wrong there and nowhere else.
"""

import io
import tempfile
from collections.abc import Collection, Sequence
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np

from hyperseg_tf.export.layer_names import layer_names

# Per cent of the values of a tensor that its range holds.
PERCENTILE = 99.99


class OnnxIntegers:
    """A float32 `onnx.ModelProto` whose convolutions become int8, weights by channel.

    Args:
        model: It has one input of pictures.
        batches: uint8 (B, H, W, 3) that ranges are taken from.

    Attributes:
        layers: As of `integers.Quantizer`.
    """

    def __init__(self, model, batches: Sequence[np.ndarray]) -> None:
        import onnx
        from onnxruntime.quantization.shape_inference import quant_pre_process

        self._batches = batches
        self._scratch = tempfile.TemporaryDirectory()
        folder = Path(self._scratch.name)
        self._prepared = folder / "prepared.onnx"
        # It reports on stdout, where only results go.
        with redirect_stdout(io.StringIO()):
            onnx.save(model, folder / "model.onnx")
            quant_pre_process(
                folder / "model.onnx", self._prepared, skip_symbolic_shape=True
            )
        nodes = [n for n in onnx.load(self._prepared).graph.node if n.op_type == "Conv"]
        names = layer_names([(node.name, *node.input[1:]) for node in nodes])
        self._nodes = dict(zip(names, (node.name for node in nodes), strict=True))
        self.layers = tuple(names)

    def made(self, kept: Collection[str] = ()):
        """An `onnx.ModelProto` with pairs of QuantizeLinear and DequantizeLinear.

        Args:
            kept: Layers that stay in float32.
        """
        import onnx
        from onnxruntime import quantization

        if len(set(kept)) == len(self.layers):
            return onnx.load(self._prepared)
        folder = Path(self._scratch.name)
        with redirect_stdout(io.StringIO()):
            quantization.quantize_static(
                self._prepared,
                folder / "quantized.onnx",
                self._reader(),
                quant_format=quantization.QuantFormat.QDQ,
                op_types_to_quantize=["Conv"],
                nodes_to_exclude=[self._nodes[layer] for layer in kept],
                per_channel=True,
                reduce_range=True,
                activation_type=quantization.QuantType.QInt8,
                weight_type=quantization.QuantType.QInt8,
                calibrate_method=quantization.CalibrationMethod.Percentile,
                # Written by the first call, which looks at all convolutions.
                calibration_cache_path=folder / "ranges.json",
                extra_options={
                    "ActivationSymmetric": True,
                    "WeightSymmetric": True,
                    "QuantizeBias": False,
                    "CalibPercentile": PERCENTILE,
                    # One batch at a time: it keeps every tensor of those it looks at.
                    "CalibStridedMinMax": 1,
                },
            )
        return onnx.load(folder / "quantized.onnx")

    def save(self, made, folder: Path) -> None:
        """Write what `made` returned as `model.onnx`."""
        import onnx

        onnx.save(made, str(folder / "model.onnx"))

    def _reader(self):
        import onnx
        from onnxruntime.quantization import CalibrationDataReader

        batches = self._batches
        (given,) = onnx.load(self._prepared).graph.input

        class Reader(CalibrationDataReader):
            def __len__(self):
                return len(batches)

            def set_range(self, start_index, end_index):
                self._part = iter(batches[start_index:end_index])

            def get_next(self):
                images = next(self._part, None)
                return None if images is None else {given.name: images}

        return Reader()
