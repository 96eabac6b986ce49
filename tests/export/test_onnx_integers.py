import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from hyperseg_tf.export.onnx_integers import OnnxIntegers
from tests.needed import needed

SIZE = (1, 9, 13, 3)


@pytest.fixture(scope="module")
def models():
    """A convolution with a bias behind a value far off 0, and its quantized form."""
    rng = np.random.default_rng(0)
    values = {
        "kernel": rng.normal(size=(5, 3, 3, 3)).astype(np.float32),
        "bias": rng.normal(size=5).astype(np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["images"], ["float"], "cast", to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["nchw"], "t", perm=(0, 3, 1, 2)),
        helper.make_node("Conv", ["nchw", "kernel", "bias"], ["logits"], "conv"),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, SIZE)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, (1, 5, 7, 11))],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    batches = [rng.integers(0, 256, SIZE, np.uint8) for _ in range(3)]
    return model, OnnxIntegers(model, batches).made(), batches


def _run(model, images):
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"images": images})[0]


def test_every_zero_point_is_0_and_the_bias_stays_float(models):
    _, made, _ = models
    values = {v.name: numpy_helper.to_array(v) for v in made.graph.initializer}
    pairs = [n for n in made.graph.node if n.op_type == "DequantizeLinear"]
    assert len(pairs) >= 2  # Pictures and kernel.
    for node in pairs:
        assert not values[node.input[2]].any(), node.name
        assert values[node.input[2]].dtype == np.int8
    (conv,) = (n for n in made.graph.node if n.op_type == "Conv")
    assert values[conv.input[2]].dtype == np.float32


def test_kernels_have_a_scale_for_each_channel(models):
    _, made, _ = models
    shapes = {v.name: tuple(v.dims) for v in made.graph.initializer}
    scales = [
        shapes[n.input[1]] for n in made.graph.node if n.op_type == "DequantizeLinear"
    ]
    assert (5,) in scales


def test_answers_are_close(models):
    model, made, batches = models
    expected, found = _run(model, batches[0]), _run(made, batches[0])
    error = np.abs(found - expected).max() / np.ptp(expected)
    assert 0 < error < 0.02


def test_nothing_goes_to_stdout(models, capfd):
    OnnxIntegers(models[0], models[2]).made()
    assert capfd.readouterr().out == ""


def test_tensorrt_takes_it(models, tmp_path):
    trt = needed("tensorrt_rtx_bindings")
    from hyperseg_tf.export.engine import build

    onnx.save(models[1], tmp_path / "model.onnx")
    build(trt, tmp_path / "model.onnx", tmp_path / "engine.plan", {})
