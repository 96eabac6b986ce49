"""ONNX by tf2onnx: input `images` uint8 (B, H, W, 3), one output of the chosen name.

Sizes and batch may be free; ONNX has no assertions, so what a request may have is the
server's to limit.
"""

from pathlib import Path

from hyperseg_tf.export import calibration
from hyperseg_tf.export.graph import ServingGraph
from hyperseg_tf.export.onnx_integers import OnnxIntegers
from hyperseg_tf.export.signature import FACTS_KEY, IMAGES, compact

# Of July 2022: what ONNX Runtime 1.13, TensorRT 8.6 and browsers take.
OPSET = 17


def write(graph: ServingGraph, folder: Path, facts: dict) -> None:
    """Write `model.onnx`; the facts are in its metadata."""
    save(converted(graph), graph, folder, facts)


def quantizer(graph: ServingGraph) -> OnnxIntegers:
    """What makes an `onnx.ModelProto` of int8 for `save`."""
    batches = calibration.batches(graph.options, graph.model)
    return OnnxIntegers(converted(graph), list(batches))


def save(model, graph: ServingGraph, folder: Path, facts: dict) -> None:
    """Write an `onnx.ModelProto`, which is changed, with the facts."""
    import onnx

    onnx.helper.set_model_props(model, {FACTS_KEY: compact(facts)})
    onnx.save(model, str(folder / "model.onnx"))


def converted(graph: ServingGraph):
    """The graph as a checked `onnx.ModelProto` in float32."""
    import onnx
    from tf2onnx import convert

    frozen = graph.frozen
    names = {
        frozen.inputs[0].name: IMAGES,
        frozen.outputs[0].name: graph.options.output,
    }
    model, _ = convert.from_graph_def(
        frozen.graph.as_graph_def(),
        input_names=[frozen.inputs[0].name],
        output_names=[frozen.outputs[0].name],
        opset=OPSET,
    )
    _rename(model.graph, names)
    for value in (*model.graph.input, *model.graph.output):
        _name_free_sizes(value)
    onnx.checker.check_model(model, full_check=True)
    return model


def _rename(graph, names: dict[str, str]) -> None:
    for value in (*graph.input, *graph.output):
        value.name = names.get(value.name, value.name)
    for node in graph.node:
        for field in (node.input, node.output):
            field[:] = [names.get(name, name) for name in field]


def _name_free_sizes(value) -> None:
    """Free sizes have names, so that a runtime knows which are the same."""
    sides = value.type.tensor_type.shape.dim
    for side, name in zip(sides, ("batch", "height", "width"), strict=False):
        if not side.HasField("dim_value"):
            side.dim_param = name
