import numpy as np
import pytest

from hyperseg_tf import export
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.export import probe, tf_trt
from hyperseg_tf.export.options import options
from tests.tiny_segmenter import by_brightness


class Converter:
    """Notes what is done with it."""

    calls = []

    def __init__(self, **settings):
        self.calls.append(("new", settings))

    def convert(self):
        self.calls.append(("convert",))

    def build(self, input_fn):
        self.calls.append(("build", list(input_fn())))

    def save(self, folder):
        self.calls.append(("save", folder))


def test_engines_are_built_for_the_one_size_and_batch(tmp_path, monkeypatch):
    from tensorflow.python.compiler.tensorrt import trt_convert

    monkeypatch.setattr(trt_convert, "TrtGraphConverterV2", Converter)
    monkeypatch.setattr(Converter, "calls", [])
    chosen = options("tf_trt", precision="float16", size=(33, 47), batch=2)
    tf_trt.convert(tmp_path / "in", tmp_path / "out", chosen)
    (_, settings), convert, (_, inputs), (_, folder) = Converter.calls
    assert settings["input_saved_model_dir"] == str(tmp_path / "in")
    assert settings["precision_mode"] == "FP16"
    # Patches are batches of another size than the pictures.
    assert settings["use_dynamic_shape"]
    assert convert == ("convert",)
    ((images,),) = inputs
    assert images.shape == (2, 33, 47, 3) and images.dtype == np.uint8
    assert folder == str(tmp_path / "out")


def test_what_is_missing_is_told_and_nothing_written(tmp_path, monkeypatch):
    monkeypatch.setattr(probe, "missing_for_tf_trt", lambda: ["a library", "a GPU"])
    with pytest.raises(UserError, match="needs a library, and a GPU"):
        export.write(by_brightness(), "tf_trt", tmp_path / "out", size=(33, 47))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow  # Another process imports TensorFlow.
def test_the_running_tensorflow_has_none():
    import tensorflow

    (missing,) = probe.missing_for_tf_trt()
    assert f"this is {tensorflow.__version__}" in missing
