import pytest
from ai_edge_litert.interpreter import Interpreter

from hyperseg_tf import export
from tests.export import files
from tests.tiny_segmenter import random_hyperseg


def _metadata(path):
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model(str(path))
    return {
        entry.name.decode(): bytes(model.buffers[entry.buffer].data)
        for entry in model.metadata
    }


@pytest.mark.parametrize("output", files.SOME_OUTPUTS)
def test_every_output_is_the_models(output, tmp_path):
    path = files.written("tflite", tmp_path / "a.tflite", output=output)
    files.assert_answers("tflite", path, output, files.pictures())
    assert Interpreter(str(path)).get_signature_list() == {
        "serving_default": {"inputs": ["images"], "outputs": [output]}
    }


@pytest.mark.slow
def test_the_facts_are_in_the_file_and_beside_it(tmp_path):
    path = files.written("tflite", tmp_path / "a.tflite", batch=2)
    files.assert_facts(_metadata(path)["hyperseg_tf"], tmp_path / "a.classes.json")
    files.assert_answers("tflite", path, "logits", files.pictures(2))


@pytest.mark.slow
@pytest.mark.parametrize(
    "precision", ["float32", pytest.param("float16", marks=pytest.mark.grid), "dynamic"]
)
def test_a_hypernetwork_answers_off_every_multiple(precision, tmp_path):
    out = export.write(
        random_hyperseg(), "tflite", tmp_path, precision=precision, size=(97, 131)
    )
    assert (out / "parity.json").exists()
