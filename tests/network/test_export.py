"""`HyperSeg.export`: Keras' own way to deploy a model."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from hyperseg_tf.base.errors import UserError
from tests.tiny_segmenter import random_hyperseg


@pytest.fixture(scope="module")
def model():
    return random_hyperseg()


@pytest.fixture
def exported(monkeypatch):
    """What Keras is asked for, in place of the file."""
    calls = []

    def record(self, filepath, format, verbose, input_signature, **kwargs):
        calls.append((self, format, input_signature, kwargs))

    monkeypatch.setattr(keras.Model, "export", record)
    return calls


def _spec(*shape):
    return [keras.InputSpec(shape=shape, dtype="float32")]


@pytest.mark.slow
def test_keras_gets_a_folded_copy_in_plain_operations(model, exported):
    model.export("a", opset_version=17, format="onnx")
    ((copy, format, signature, rest),) = exported
    assert copy is not model and copy.folded and copy.implementation == "slices"
    assert (format, rest) == ("onnx", {"opset_version": 17})
    assert signature[0].shape == (None, None, None, 3)
    copy.export("b")
    assert exported[1][0] is copy
    assert not model.folded


@pytest.mark.slow
def test_litert_gets_the_size_of_the_preset(model, exported):
    model.export("a", "litert")
    model.export("a", "litert", input_signature=_spec(2, 64, 96, 3))
    shapes = [signature[0].shape for _, _, signature, _ in exported]
    assert shapes == [(1, *model.preset.image_size, 3), (2, 64, 96, 3)]


@pytest.mark.slow
def test_openvino_gets_no_known_size_that_is_padded(model, exported):
    model.export("a", "openvino")
    model.export("a", "openvino", input_signature=_spec(None, 128, None, 3))
    assert len(exported) == 2
    with pytest.raises(UserError, match=r"multiple of 64 .*\(1, 64, 96, 3\)"):
        model.export("a", "openvino", input_signature=_spec(1, 64, 96, 3))
    assert len(exported) == 2


# Runs with `python -I`, where nothing of the project can be imported.
_ANSWER = """
import sys
sys.modules["hyperseg_tf"] = None
import numpy as np
kind, path, images, out = sys.argv[1:]
x = np.load(images)
if kind == "tf_saved_model":
    import tensorflow as tf
    loaded = tf.saved_model.load(path)  # It owns the variables.
    y = loaded.serve(x)
elif kind == "onnx":
    import onnxruntime
    session = onnxruntime.InferenceSession(path)
    y = session.run(None, {session.get_inputs()[0].name: x})[0]
elif kind == "openvino":
    import openvino
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    y = openvino.Core().compile_model(path, "CPU", settings)(x)[0]
else:
    from ai_edge_litert.interpreter import Interpreter
    interpreter = Interpreter(path)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    y = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
np.save(out, y)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("tf_saved_model", "a"),
        ("onnx", "a.onnx"),
        pytest.param("openvino", "a.xml", marks=pytest.mark.grid),
        ("litert", "a.tflite"),
    ],
)
def test_the_file_answers_as_the_model_without_the_project(model, kind, name, tmp_path):
    size = (192, 256) if kind == "litert" else (97, 131)
    assert model.preset.image_size == (192, 256)
    x = np.random.default_rng(0).normal(size=(1, *size, 3)).astype("float32")
    wanted = np.asarray(model(x, training=False))
    model.export(str(tmp_path / name), kind, verbose=False)
    np.save(tmp_path / "x.npy", x)
    words = [kind, tmp_path / name, tmp_path / "x.npy", tmp_path / "y.npy"]
    subprocess.run([sys.executable, "-I", "-c", _ANSWER, *map(str, words)], check=True)
    found = np.load(tmp_path / "y.npy")
    assert found.shape == wanted.shape
    assert (found.argmax(-1) == wanted.argmax(-1)).mean() > 0.999
    assert np.abs(found - wanted).mean() < 1e-3 * np.ptp(wanted)
