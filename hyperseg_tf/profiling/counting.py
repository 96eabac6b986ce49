"""Parameters and multiply-adds of a model, counted from the graph TensorFlow traces.

A multiply-add is what most papers call a FLOP. Counted are the products of convolutions
and matrix products, each once, and beside them the values that batch normalizations
scale: the counter of the paper adds two operations for each of those. Activations and
interpolation are left out, as there.
"""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
import tensorflow as tf

from hyperseg_tf.network.layout import decoder_layout
from hyperseg_tf.network.model import HyperSeg
from hyperseg_tf.presets import Preset

PARTS = ("backbone", "context", "generation", "dynamic", "static")


@dataclass(frozen=True, kw_only=True)
class Count:
    """What a model has and does for one image.

    Attributes:
        preset: Its architecture.
        size: (height, width) of the image, in pixels.
        parameters: Trainable values.
        generated: Weights that the hypernetwork makes for each patch.
        grid: (rows, columns) of patches; (0, 0) where nothing is generated.
        macs: Multiply-adds by part: "backbone" with the reductions, "context" head,
            weight "generation", "dynamic" convolutions with the halo that they compute
            for their neighbours, "static" convolutions of a decoder without them.
        normalised: Values that batch normalizations scale and shift.
    """

    preset: Preset
    size: tuple[int, int]
    parameters: int
    generated: int
    grid: tuple[int, int]
    macs: dict[str, int]
    normalised: int

    @property
    def total(self) -> int:
        """Multiply-adds of the whole."""
        return sum(self.macs.values())

    @property
    def flops(self) -> int:
        """What the paper's counter prints: `total` and two per normalised value."""
        return self.total + 2 * self.normalised

    def to_dict(self) -> dict:
        """All of it as JSON-able values."""
        return {
            **asdict(self),
            "preset": self.preset.to_dict(),
            "total_macs": self.total,
            "flops": self.flops,
        }


def count(preset: Preset, size: tuple[int, int] | None = None) -> Count:
    """Count a preset.

    Args:
        preset: The architecture.
        size: (height, width); None for the preset's evaluation size.

    Raises:
        RuntimeError: The graph has an operation that multiplies and is not known here.
    """
    size = tuple(size or preset.image_size)
    # In the specification every dynamic convolution is one product, seen as such.
    model = HyperSeg(preset, implementation="einsum")
    function = tf.function(lambda x: model(x, training=False), autograph=False)
    graph = function.get_concrete_function(tf.TensorSpec((1, *size, 3))).graph
    macs = dict.fromkeys(PARTS, 0)
    for operation, products in multiply_adds(graph):
        macs[_part(operation.name, preset)] += products
    levels, heads = decoder_layout(preset)
    cells = preset.patch_size
    return Count(
        preset=preset,
        size=size,
        parameters=sum(math.prod(w.shape) for w in model.trainable_weights),
        generated=sum(level.size for level in levels) if heads else 0,
        grid=(0, 0)
        if not heads
        else tuple(-(-side // cells) if cells else 1 for side in size),
        macs={part: value for part, value in macs.items() if value},
        normalised=normalised_values(graph),
    )


def multiply_adds(graph) -> Iterator[tuple[object, int]]:
    """Operations of a `tf.Graph` that multiply and add, with the number of products.

    Raises:
        RuntimeError: A shape is unknown, or an operation is not known here.
    """
    for operation in graph.get_operations():
        if operation.type in _RULES:
            yield operation, int(_RULES[operation.type](operation))
        elif operation.type in _UNKNOWN:
            raise RuntimeError(
                f"no rule to count {operation.type} ({operation.name}); add one."
            )


def normalised_values(graph) -> int:
    """How many values the batch normalizations of a `tf.Graph` scale.

    Each takes one reciprocal square root, whose product with gamma scales a map.
    """
    values = 0
    for operation in graph.get_operations():
        if operation.type != "Rsqrt":
            continue
        (scale,) = operation.outputs[0].consumers()
        for consumer in scale.outputs[0].consumers():
            if consumer.outputs[0].shape.rank == 4:
                values += math.prod(_shape(consumer.outputs[0]))
    return values


def _conv(operation):
    height, width, depth, _ = _shape(operation.inputs[1])
    return np.prod(_shape(operation.outputs[0])) * height * width * depth


def _depthwise(operation):
    height, width, *_ = _shape(operation.inputs[1])
    return np.prod(_shape(operation.outputs[0])) * height * width


def _matmul(operation):
    transposed = "transpose_a" if operation.type == "MatMul" else "adj_x"
    inner = -2 if operation.get_attr(transposed) else -1
    shape = _shape(operation.inputs[0])
    return np.prod(_shape(operation.outputs[0])) * shape[inner]


def _einsum(operation):
    terms = operation.get_attr("equation").decode().partition("->")[0].split(",")
    sides = {}
    for term, tensor in zip(terms, operation.inputs, strict=True):
        if "." in term:
            raise RuntimeError(f"{operation.name} has an ellipsis: {terms}.")
        sides.update(zip(term, _shape(tensor), strict=True))
    return np.prod(list(sides.values())) if len(terms) > 1 else 0


_RULES = {
    "Conv2D": _conv,
    "DepthwiseConv2dNative": _depthwise,
    "MatMul": _matmul,
    "BatchMatMulV2": _matmul,
    "Einsum": _einsum,
}
# A count without these would be silently too low.
_UNKNOWN = {
    "BatchMatMul",
    "BatchMatMulV3",
    "Conv3D",
    "PartitionedCall",
    "StatefulPartitionedCall",
    "While",
    "XlaDot",
    "XlaLaunch",
    "_FusedConv2D",
    "_FusedMatMul",
}


def _shape(tensor):
    if not tensor.shape.is_fully_defined():
        raise RuntimeError(f"{tensor.name} has an unknown shape: {tensor.shape}.")
    return [int(side) for side in tensor.shape]


def _part(name, preset):
    """Which part of the network an operation belongs to, by its name scopes."""
    for scope in name.split("/"):
        if scope.startswith("backbone"):
            return "backbone"
        if scope.startswith("context_head"):
            return "context"
        if scope.startswith("weights_"):
            return "generation"
        if scope.startswith(("level_", "decoder")):
            return "dynamic" if preset.dynamic else "static"
    raise RuntimeError(f"{name} belongs to no part of the network.")
