import json

import numpy as np
import pytest

from hyperseg_tf import export
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.pixels import normalise
from hyperseg_tf.export import saved_model
from tests.calibrated import calibrate, pictures
from tests.tiny_segmenter import NAMES, by_brightness, random_hyperseg


@pytest.fixture(scope="module")
def model():
    return random_hyperseg()


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    """Writing verifies: each endpoint agreed in a process without the project."""
    out = tmp_path_factory.mktemp("export") / "hyperseg"
    assert export.write(model, "saved_model", out) == out
    return out


@pytest.fixture(scope="module")
def endpoints(folder):
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder))
    yield loaded.signatures


def _images(count, height, width):
    return np.random.default_rng(1).integers(
        0, 256, (count, height, width, 3), np.uint8
    )


def _png(image):
    import tensorflow as tf

    return tf.io.encode_png(image)


def test_endpoints_and_their_outputs_are_named(endpoints):
    assert {
        name: (
            sorted(function.structured_input_signature[1]),
            sorted(function.structured_outputs),
        )
        for name, function in endpoints.items()
    } == {
        "serving_default": (["images"], ["logits"]),
        "serve_uint8": (["images"], ["class_map", "confidence"]),
        "serve_bytes": (["encoded"], ["class_map", "confidence", "sizes"]),
    }


def test_float_batches_are_not_normalised_by_the_caller(endpoints, model):
    import tensorflow as tf

    images = _images(2, 45, 39)
    found = endpoints["serving_default"](images=tf.constant(images, tf.float32))
    reference = model.with_implementation("einsum")
    expected = np.asarray(reference(normalise(images), training=False))
    assert found["logits"].shape == expected.shape == (2, 45, 39, 3)
    assert expected.std(axis=(0, 1, 2)).min() > 0
    # The mean: single pixels of a random network magnify rounding errors.
    error = np.abs(found["logits"] - expected).mean()
    assert error < 1e-4 * np.ptp(expected)


def test_every_picture_of_a_byte_batch_stands_alone(endpoints):
    import tensorflow as tf

    small, large = _images(1, 40, 33), _images(1, 37, 64)
    encoded = tf.stack([_png(small[0]), tf.io.encode_jpeg(large[0], quality=100)])
    found = endpoints["serve_bytes"](encoded=encoded)
    assert found["sizes"].numpy().tolist() == [[40, 33], [37, 64]]
    assert found["class_map"].shape == (2, 40, 64)
    assert found["class_map"].dtype == tf.uint8
    alone = endpoints["serve_uint8"](images=tf.constant(small))
    same = found["class_map"][0, :, :33].numpy() == alone["class_map"][0].numpy()
    assert same.mean() > 0.999
    assert (found["class_map"][0, :, 33:].numpy() == 255).all()
    assert (found["class_map"][1, 37:].numpy() == 255).all()
    assert (found["class_map"][1, :37].numpy() < 3).all()
    assert (found["confidence"][1, 37:].numpy() == 0).all()
    confidence = alone["confidence"].numpy()
    assert (confidence >= 1 / 3 - 1e-6).all() and (confidence <= 1 + 1e-6).all()


def test_an_empty_byte_batch_is_answered(endpoints):
    import tensorflow as tf

    found = endpoints["serve_bytes"](encoded=tf.constant([], tf.string))
    assert found["sizes"].shape == (0, 2) and found["class_map"].shape[0] == 0


def test_bytes_that_are_no_picture_are_refused(endpoints):
    import tensorflow as tf

    with pytest.raises(tf.errors.InvalidArgumentError):
        endpoints["serve_bytes"](encoded=tf.constant([b"no picture"]))


def test_the_classes_travel_with_the_export(folder):
    facts = json.loads((folder / "assets.extra" / "classes.json").read_text())
    assert [row["name"] for row in facts["classes"]] == list(NAMES)
    assert facts["classes"][1] == {
        "index": 1,
        "name": "bright",
        "colour": [0, 200, 0],
    }
    assert facts["void"] == 255


def test_only_stock_operations_and_nothing_compiled(folder):
    from tensorflow.core.protobuf import saved_model_pb2

    proto = saved_model_pb2.SavedModel()
    proto.ParseFromString((folder / "saved_model.pb").read_bytes())
    (graph,) = proto.meta_graphs
    operations = {node.op for node in graph.graph_def.node}
    for function in graph.graph_def.library.function:
        operations |= {node.op for node in function.node_def}
        assert not function.attr["_XlaMustCompile"].b
    assert not {name for name in operations if "HyperSeg" in name or "Xla" in name}
    assert "ExtractImagePatches" not in operations


def test_an_existing_export_is_kept_unless_told(tmp_path):
    model = by_brightness()
    out = tmp_path / "out"
    (out / "deep").mkdir(parents=True)
    with pytest.raises(UserError, match="--overwrite"):
        export.write(model, "saved_model", out, verify=False)
    assert (out / "deep").exists()
    export.write(model, "saved_model", out, verify=False, overwrite=True)
    assert (out / "saved_model.pb").exists() and not (out / "deep").exists()


def test_an_export_that_differs_does_not_appear(tmp_path, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    (out / "old").write_text("old")
    real = saved_model._save

    def save_another(model, folder):
        kernel, bias = model.layers[-1].get_weights()
        model.layers[-1].set_weights([kernel, bias + [0, 0.3, 0]])
        real(model, folder)
        model.layers[-1].set_weights([kernel, bias])

    monkeypatch.setattr(saved_model, "_save", save_another)
    with pytest.raises(UserError, match="serving_default logits differs"):
        export.write(by_brightness(), "saved_model", out, overwrite=True)
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "old"]


def test_an_export_that_does_not_load_does_not_appear(tmp_path, monkeypatch):
    monkeypatch.setattr(
        saved_model,
        "_save",
        lambda model, folder: (folder / "saved_model.pb").write_bytes(b"?"),
    )
    with pytest.raises(UserError, match="must load without this project"):
        export.write(by_brightness(), "saved_model", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"dynamic": False, "weight_groups": ()},
        {"backbone": "pspnet18"},
        {"patch_size": None, "context_levels": 0},
        {"patch_size": 64, "positions": False},
    ],
    ids=["without_dpwconv", "pspnet18", "one_patch", "coarse_grid"],
)
def test_every_kind_of_network_exports(changes, tmp_path):
    """Writing verifies each endpoint, so that it appears is the test."""
    from hyperseg_tf import HyperSeg

    model = HyperSeg.from_preset("hyperseg_tiny", num_classes=3, **changes)
    calibrate(model, pictures(4, 64, 128))
    model.set_metadata({"classes": list(NAMES), "colours": [[0, 0, 0]] * 3})
    out = tmp_path / "export"
    assert export.write(model, "saved_model", out) == out
    graph = (out / "saved_model.pb").read_bytes()
    assert b"DpwBlock" not in graph and b"DpwConv" not in graph
