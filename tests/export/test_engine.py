"""TensorRT for RTX has TensorRT's parser and builder, and builds without a GPU."""

import shlex

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from hyperseg_tf.export.engine import Profile, build, trtexec
from tests.needed import needed

NAME = "tensorrt_rtx_bindings"
trt = needed(NAME)

FIXED = (1, 8, 12, 3)


@pytest.fixture
def model(tmp_path):
    """Write a convolution of uint8 pictures."""

    def write(batch=1, kind="Conv"):
        path = tmp_path / "model.onnx"
        kernel = np.ones((2, 3, 3, 3), np.float32)
        nodes = [
            helper.make_node("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
            helper.make_node("Transpose", ["float"], ["nchw"], perm=(0, 3, 1, 2)),
            helper.make_node(kind, ["nchw", "kernel"], ["logits"]),
        ]
        given = helper.make_tensor_value_info(
            "images", TensorProto.UINT8, (batch, *FIXED[1:])
        )
        made = helper.make_tensor_value_info(
            "logits", TensorProto.FLOAT, (batch, 2, 6, 10)
        )
        graph = helper.make_graph(
            nodes, "g", [given], [made], [numpy_helper.from_array(kernel, "kernel")]
        )
        opset = helper.make_opsetid("", 17)
        onnx.save(helper.make_model(graph, opset_imports=[opset]), path)
        return path

    return write


def test_a_file_of_fixed_size_becomes_an_engine(model, tmp_path):
    engine = tmp_path / "model.engine"
    build(trt, model(), engine, {})
    assert engine.stat().st_size > 1000


def test_a_free_batch_needs_a_profile(model, tmp_path):
    engine, path = tmp_path / "model.engine", model(batch="B")
    with pytest.raises(RuntimeError, match="no optimization profile"):
        build(trt, path, engine, {})
    assert not engine.exists()
    profile = Profile(FIXED, FIXED, (4, *FIXED[1:]))
    build(trt, path, engine, {"images": profile})
    assert engine.exists()


def test_an_unknown_operation_is_named_and_nothing_is_written(model, tmp_path):
    engine = tmp_path / "model.engine"
    with pytest.raises(RuntimeError, match="Unheard"):
        build(trt, model(kind="Unheard"), engine, {})
    assert not engine.exists()


def test_a_file_that_is_no_onnx_is_refused_in_one_line(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    with pytest.raises(RuntimeError, match="parse") as told:
        build(trt, tmp_path / "model.onnx", tmp_path / "model.engine", {})
    assert "\n" not in str(told.value)


def test_the_command_line_says_what_the_builder_does():
    profile = Profile(FIXED, (2, *FIXED[1:]), (4, *FIXED[1:]))
    words = shlex.split(trtexec("a b.onnx", "m.engine", {"images": profile}))
    assert words == [
        "trtexec",
        "--onnx=a b.onnx",
        "--saveEngine=m.engine",
        "--stronglyTyped",
        "--noTF32",
        "--minShapes=images:1x8x12x3",
        "--optShapes=images:2x8x12x3",
        "--maxShapes=images:4x8x12x3",
    ]
    assert "Shapes" not in trtexec("m.onnx", "m.engine", {})
