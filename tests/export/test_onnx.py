import numpy as np
import onnx
import pytest
from PIL import Image

from hyperseg_tf import export
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.pixels import normalise
from hyperseg_tf.export.formats import OUTPUTS
from tests.export import files
from tests.tiny_segmenter import random_hyperseg


@pytest.mark.slow
@pytest.mark.parametrize("output", OUTPUTS)
def test_every_output_is_the_models(output, tmp_path):
    path = files.written("onnx", tmp_path / "a.onnx", output=output, size="free")
    files.assert_answers("onnx", path, output, files.pictures(2, (45, 70)))
    graph = onnx.load(path).graph
    (images,), (found,) = graph.input, graph.output
    assert (images.name, found.name) == ("images", output)
    assert images.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    sides = [
        side.dim_param or side.dim_value for side in images.type.tensor_type.shape.dim
    ]
    assert sides == ["batch", "height", "width", 3]


@pytest.mark.slow
def test_the_facts_are_in_the_file_and_beside_it(tmp_path):
    path = files.written("onnx", tmp_path / "a.onnx", batch=2)
    (entry,) = onnx.load(path).metadata_props
    assert entry.key == "hyperseg_tf"
    files.assert_facts(entry.value, tmp_path / "a.classes.json")
    files.assert_answers("onnx", path, "logits", files.pictures(2))


@pytest.mark.slow
def test_a_hypernetwork_of_free_size_answers_every_size(tmp_path):
    """Writing compares; here once more, at a size the gate has not seen."""
    model = random_hyperseg()
    export.write(model, "onnx", tmp_path)
    images = files.pictures(1, (77, 61))
    found = files.answer("onnx", tmp_path / "model.onnx", images)
    wanted = np.asarray(model(normalise(images), training=False))
    assert (found.argmax(-1) == wanted.argmax(-1)).mean() > 0.999


@pytest.mark.slow
def test_int8_is_taken_from_pictures_and_keeps_the_classes(tmp_path):
    for i, image in enumerate(files.pictures(3)):
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    choice = {"precision": "int8", "calibrate": tmp_path, "output": "class_map"}
    path = files.written("onnx", tmp_path / "a.onnx", **choice)
    model = onnx.load(path)
    assert "QuantizeLinear" in {node.op_type for node in model.graph.node}
    images = files.pictures(1)
    found = files.answer("onnx", path, images)
    assert (found == files.expected(images, "class_map")).mean() > 0.97


def test_int8_of_free_size_needs_a_size_to_calibrate_at(tmp_path):
    Image.fromarray(files.pictures(1)[0]).save(tmp_path / "a.png")
    choice = {"precision": "int8", "calibrate": tmp_path, "size": "free"}
    with pytest.raises(UserError, match="add --size HxW"):
        files.written("onnx", tmp_path / "out", **choice)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
