"""A TFLite model whose convolutions compute in integers, by the AI Edge quantizer.

Pictures and outputs stay what they were. As in ONNX only convolutions are quantized:
with every operation in int8 the answers of a hypernetwork are of no use, because the
weights that it makes itself have ranges that no calibration has seen for every patch.
"""

import io
import re
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np

from hyperseg_tf.export.layer_names import layer_names
from hyperseg_tf.export.signature import IMAGES

_SIGNATURE = "serving_default"
# With the axis of the output channels in their weights.
_CONVOLUTIONS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3}


class TfliteIntegers:
    """A float32 TFLite file whose convolutions become int8, weights by channel.

    Args:
        contents: Of the file.
        batches: uint8 (B, H, W, 3) that ranges are taken from.
        activation_bits: 8, or 16 for the precision int16x8.

    Attributes:
        layers: As of `integers.Quantizer`.
    """

    def __init__(
        self, contents: bytes, batches: Sequence[np.ndarray], activation_bits: int
    ) -> None:
        self._contents = contents
        self._activation_bits = activation_bits
        names = _names(contents)
        self.layers = tuple(layer_names(names))
        self._scopes = dict(zip(self.layers, (n[0] for n in names), strict=True))
        with _quiet():
            self._ranges = self._quantizer(()).calibrate(
                {_SIGNATURE: [{IMAGES: images} for images in batches]}
            )
        self._ranges |= _weight_ranges(contents, self._ranges, activation_bits)

    def made(self, kept: Collection[str] = ()) -> bytes:
        """Contents of the file in integers.

        Args:
            kept: Layers that stay in float32.
        """
        if len(set(kept)) == len(self.layers):
            return self._contents
        with _quiet():
            made = self._quantizer(kept).quantize(
                self._ranges, enable_progress_report=False
            )
        return bytes(made.quantized_model)

    def save(self, made: bytes, folder: Path) -> None:
        """Write what `made` returned as `model.tflite`."""
        (folder / "model.tflite").write_bytes(made)

    def _quantizer(self, kept: Collection[str]):
        from ai_edge_quantizer.quantizer import AlgorithmName, Quantizer

        quantizer = Quantizer(self._contents)
        for operation in _CONVOLUTIONS:
            quantizer.add_static_config(".*", operation, self._activation_bits, 8)
            for layer in kept:
                # The last that fits counts.
                quantizer.update_quantization_recipe(
                    f"^{re.escape(self._scopes[layer])}$",
                    operation,
                    algorithm_key=AlgorithmName.NO_QUANTIZE,
                )
        return quantizer


@contextmanager
def _quiet() -> Iterator[None]:
    """The quantizer draws bars of its own and warns of what it does itself."""
    silent = io.StringIO()
    with (
        redirect_stderr(silent),
        redirect_stdout(silent),
        warnings.catch_warnings(action="ignore"),
    ):
        yield


def _names(contents: bytes) -> list[tuple[str, ...]]:
    """What the quantizer calls each convolution, and its constants, in their order."""
    from ai_edge_quantizer.utils.tfl_flatbuffer_utils import (
        get_op_scope,
        get_tensor_name,
    )

    return [
        (
            get_op_scope(operation, tensors),
            *(get_tensor_name(tensors[i]) for i in operation.inputs[1:]),
        )
        for operation, _, tensors, _ in _convolutions(contents)
    ]


def _weight_ranges(contents: bytes, ranges: dict, activation_bits: int) -> dict:
    """Ranges of weights by channel, so wide that the biases fit, too.

    A bias is an integer of 32 bits in steps of its input's times its weights' step. A
    channel whose weights are all 0, as pruning leaves them, would have steps so small
    that its bias is lost.
    """
    from ai_edge_quantizer.utils.tfl_flatbuffer_utils import (
        get_tensor_data,
        get_tensor_name,
    )

    found = {}
    for operation, axis, tensors, buffers in _convolutions(contents):
        given, weights, bias = (tensors[i] for i in operation.inputs)
        kernel, added = (get_tensor_data(one, buffers) for one in (weights, bias))
        if kernel is None or added is None:
            continue  # The network makes them itself.
        others = tuple(i for i in range(4) if i != axis)
        largest = np.abs(kernel).max(axis=others, keepdims=True)
        known = ranges[get_tensor_name(given)]
        step = np.ptp([0, *np.ravel([known["min"], known["max"]])]) / 2**activation_bits
        needed = 127 * np.abs(added) / (max(step, 1e-9) * 2**30)
        bound = np.maximum(largest, needed.reshape(largest.shape))
        found[get_tensor_name(weights)] = {"min": -bound, "max": bound}
    return found


def _convolutions(contents: bytes) -> list[tuple]:
    """All of them in the file's order: operation, axis of the output channels in its
    weights, tensors of its graph, buffers of the file."""
    from ai_edge_quantizer.utils import tfl_flatbuffer_utils
    from tensorflow.lite.python import schema_py_generated as schema

    model = tfl_flatbuffer_utils.read_model(contents)
    axes = {
        getattr(schema.BuiltinOperator, name): axis
        for name, axis in _CONVOLUTIONS.items()
    }
    codes = [code.builtinCode for code in model.operatorCodes]
    return [
        (operation, axes[codes[operation.opcodeIndex]], graph.tensors, model.buffers)
        for graph in model.subgraphs
        for operation in graph.operators
        if codes[operation.opcodeIndex] in axes
    ]
