"""An ONNX model in float16, pictures and outputs as they were.

TensorRT takes the precision from the file, and TensorRT 11 from nothing else.
"""


def halved(model):
    """Convert an `onnx.ModelProto` in float32; it is changed and returned.

    Normalising stays in float32: of values around 128, float16 keeps eighths, which
    the division by the deviation would carry into every layer.
    """
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    _leave_out_empty_regions(model.graph)
    model = convert_float_to_float16(
        model, keep_io_types=True, node_block_list=_on_pixels(model.graph)
    )
    # Its casts come last.
    OnnxModel(model).topological_sort()
    onnx.checker.check_model(model, full_check=True)
    return model


def _on_pixels(graph) -> list[str]:
    """Names of the nodes between the pictures and the first convolution."""
    reached = {graph.input[0].name}
    names = []
    for node in graph.node:
        if node.op_type == "Conv":
            break
        if node.op_type != "Shape" and reached.intersection(node.input):
            reached.update(node.output)
            names.append(node.name)
    return names


def _leave_out_empty_regions(graph) -> None:
    """Resize has an optional region, which tf2onnx writes as an empty constant.

    As a constant of float16 it would come out of a cast, and ONNX Runtime's optimizer
    takes elements of it.
    """
    empty = {value.name for value in graph.initializer if 0 in value.dims}
    for node in graph.node:
        if node.op_type == "Resize" and node.input[1] in empty:
            node.input[1] = ""
