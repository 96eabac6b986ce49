from pathlib import Path
from types import SimpleNamespace

import pytest

from hyperseg_tf import presets
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.export.formats import FORMATS
from hyperseg_tf.export.options import MAX_PIXELS, options


def test_what_is_not_said_follows_from_the_format_and_the_preset():
    model = SimpleNamespace(preset=presets.get("hyperseg_tiny"))
    found = options("onnx", model=model)
    assert (found.precision, found.size, found.batch) == ("float32", None, None)
    assert (found.output, found.max_pixels) == ("logits", None)
    found = options("tflite", model=model)
    assert (found.size, found.batch) == (model.preset.image_size, 1)
    assert options("saved_model", model=model).max_pixels == MAX_PIXELS
    assert options("onnx", size=[64, 96], batch=3).size == (64, 96)
    assert options("onnx", size=[64, 96], batch=3).batch == 3


def test_a_missing_size_may_wait_for_the_model():
    with pytest.raises(UserError, match="--size HxW"):
        options("tflite")
    assert options("tflite", size_known=False).size is None


@pytest.mark.parametrize(
    ("name", "choice", "said"),
    [
        ("coreml", {}, "one of saved_model.*'coreml'"),
        ("onnx", {"precision": "float16"}, "one of float32, int8: got 'float16'"),
        ("onnx", {"output": "mask"}, "one of logits.*'mask'"),
        ("tflite", {"size": "free"}, "fixed size: got 'free'"),
        ("tflite", {"size": (64, 96), "batch": "free"}, "fixed batch: got 'free'"),
        ("onnx", {"size": (64, 31)}, "at least 32"),
        ("onnx", {"size": 64}, "at least 32"),
        ("onnx", {"size": "small"}, "at least 32"),
        ("onnx", {"batch": 0}, "1 or more"),
        ("onnx", {"batch": "two"}, "1 or more"),
        ("saved_model", {"size": (64, 96)}, "every size"),
        ("saved_model", {"batch": 2}, "every size"),
        ("onnx", {"max_pixels": 5000}, "--max-pixels out"),
        ("onnx", {"precision": "int8"}, "--calibrate DIR"),
        ("onnx", {"calibrate": "pictures"}, "leave --calibrate out"),
    ],
)
def test_what_a_format_cannot_do_is_refused(name, choice, said):
    with pytest.raises(UserError, match=said):
        options(name, **choice)


@pytest.mark.parametrize("name", FORMATS)
def test_every_precision_of_every_format_can_be_chosen(name):
    for precision in FORMATS[name].precisions:
        calibrate = Path("pictures") if precision.startswith("int") else None
        found = options(
            name, precision=precision, calibrate=calibrate, size_known=False
        )
        assert found.precision == precision


def test_a_missing_package_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'hyperseg_tf\[export\]'"):
        FORMATS["onnx"].check_installed()
    FORMATS["saved_model"].check_installed()
