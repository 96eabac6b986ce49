import json

import pytest

from hyperseg_tf import export
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.export import onnx as onnx_format
from tests.export import files
from tests.tiny_segmenter import by_brightness, write_data


@pytest.fixture
def other_weights(monkeypatch):
    """The file gets a network with one weight changed."""
    real = onnx_format.write

    def write_another(graph, folder, facts):
        layer = graph.network.layers[-1]
        kernel, bias = layer.get_weights()
        layer.set_weights([kernel, bias + [0, 0.01, 0]])
        real(graph, folder, facts)
        layer.set_weights([kernel, bias])

    monkeypatch.setattr(onnx_format, "write", write_another)


def test_an_export_with_one_weight_changed_is_refused(other_weights, tmp_path):
    (tmp_path / "old.onnx").write_bytes(b"old")
    tables = []
    with pytest.raises(UserError, match=r"onnx float32: .* is off by .*nothing was"):
        files.written("onnx", tmp_path / "old.onnx", overwrite=True, tell=tables.append)
    assert [path.name for path in tmp_path.iterdir()] == ["old.onnx"]
    assert (tmp_path / "old.onnx").read_bytes() == b"old"
    (table,) = tables
    assert "Verdict: does not hold." in table


def test_what_is_beside_an_export_has_its_name(tmp_path):
    assert (
        files.written("onnx", tmp_path / "deep" / "a.onnx") == tmp_path / "deep/a.onnx"
    )
    found = sorted(path.name for path in (tmp_path / "deep").iterdir())
    assert found == ["a.classes.json", "a.onnx", "a.parity.json", "a.parity.md"]
    parity = json.loads((tmp_path / "deep" / "a.parity.json").read_text())
    assert parity["holds"] and parity["versions"]["onnxruntime"]
    assert len(parity["scenes"]) == 2


def test_one_of_several_existing_files_is_enough_to_refuse(tmp_path):
    (tmp_path / "a.parity.json").write_text("mine")
    with pytest.raises(UserError, match=r"a\.parity\.json exists.*--overwrite"):
        files.written("onnx", tmp_path / "a.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["a.parity.json"]
    files.written("onnx", tmp_path / "a.onnx", overwrite=True)
    assert (tmp_path / "a.parity.json").read_text() != "mine"


def test_labelled_pictures_are_scored(tmp_path):
    labels = [[[0] * 47] * top + [[1] * 47] * (33 - top) for top in (10, 20)]
    data = write_data(tmp_path / "data", labels)
    files.written("onnx", tmp_path / "a.onnx", labels=data, output="class_map")
    score = json.loads((tmp_path / "a.parity.json").read_text())["miou"]
    assert score["images"] == 2 and score["model"] == score["export"] == 100


def test_an_overlay_cannot_be_scored(tmp_path):
    with pytest.raises(UserError, match="overlay"):
        files.written("onnx", tmp_path / "a", labels=tmp_path, output="overlay")


def test_the_backend_must_be_tensorflow(tmp_path, monkeypatch):
    monkeypatch.setattr("keras.backend.backend", lambda: "jax")
    with pytest.raises(UserError, match="KERAS_BACKEND=tensorflow"):
        export.write(by_brightness(), "onnx", tmp_path / "a")
    assert list(tmp_path.iterdir()) == []
