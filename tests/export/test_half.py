import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from hyperseg_tf.export.half import halved

KERNEL = np.random.default_rng(0).normal(size=(5, 3, 3, 3)).astype(np.float32)
MEAN = np.array([123.675, 116.28, 103.53], np.float32)
SIZE = (1, 9, 13, 3)


def _model():
    """Normalise, convolve, enlarge; the region of Resize as tf2onnx writes it."""
    values = {
        "mean": MEAN,
        "kernel": KERNEL,
        "region": np.zeros(0, np.float32),
        "sizes": np.array([1, 5, 14, 22], np.int64),
    }
    nodes = [
        helper.make_node("Cast", ["images"], ["float"], "cast", to=TensorProto.FLOAT),
        helper.make_node("Sub", ["float", "mean"], ["centred"], "sub"),
        helper.make_node("Transpose", ["centred"], ["nchw"], "t", perm=(0, 3, 1, 2)),
        helper.make_node("Conv", ["nchw", "kernel"], ["map"], "conv"),
        helper.make_node(
            "Resize", ["map", "region", "", "sizes"], ["large"], "r", mode="linear"
        ),
        helper.make_node("Transpose", ["large"], ["logits"], "u", perm=(0, 2, 3, 1)),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, SIZE)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, (1, 14, 22, 5))],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def _run(model, images):
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"images": images})[0]


def test_pictures_and_outputs_stay_and_kernels_become_float16():
    half = halved(_model())
    assert half.graph.input[0].type.tensor_type.elem_type == TensorProto.UINT8
    assert half.graph.output[0].type.tensor_type.elem_type == TensorProto.FLOAT
    kinds = {value.name: value.data_type for value in half.graph.initializer}
    assert kinds["kernel"] == TensorProto.FLOAT16
    assert kinds["mean"] == TensorProto.FLOAT


def test_answers_are_those_of_float32_within_a_half():
    images = np.random.default_rng(1).integers(0, 256, SIZE, np.uint8)
    expected = _run(_model(), images)
    found = _run(halved(_model()), images)
    error = np.abs(found - expected).max() / np.ptp(expected)
    assert 0 < error < 2**-10


def test_resizing_keeps_no_empty_region():
    (resize,) = (n for n in halved(_model()).graph.node if n.op_type == "Resize")
    assert resize.input[1] == ""
