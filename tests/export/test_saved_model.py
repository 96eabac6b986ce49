import json
import os
import subprocess
import sys
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from hyperseg_tf import export
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.pixels import normalise
from hyperseg_tf.export import saved_model
from hyperseg_tf.inference.pictures import read_picture
from hyperseg_tf.inference.predict import predict
from tests.base.exif import entry, exif, jpeg_with, png_with
from tests.calibrated import calibrate, pictures
from tests.hostile.entries import png
from tests.hostile.pictures import chunk
from tests.tiny_segmenter import NAMES, by_brightness, random_hyperseg

# The export of a real network takes half a minute; test_serving.py has a small one.
pytestmark = pytest.mark.slow


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
        "serve_png": (["encoded"], ["png_bytes", "sizes"]),
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


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_get_the_class_map_that_predict_makes(
    orientation, capped, tmp_path
):
    facts = exif("<", entry("<", 0x0112, 3, 1, orientation))
    files = jpeg_with(facts, size=(27, 31)), png_with(facts, size=(20, 32))
    found = _serve(capped, *files)
    for i, contents in enumerate(files):
        (tmp_path / "file").write_bytes(contents)
        expected = predict(by_brightness(), read_picture(tmp_path / "file"))
        height, width = expected.shape
        assert found["sizes"].numpy()[i].tolist() == [height, width]
        class_map = found["class_map"].numpy()[i]
        np.testing.assert_array_equal(class_map[:height, :width], expected)
        assert (class_map[height:] == 255).all() and (class_map[:, width:] == 255).all()


def test_pictures_whose_exif_is_out_of_reach_are_named(capped):
    import tensorflow as tf

    jpeg, png_ = jpeg_with(), png_with()
    endless = jpeg[:2] + 1_000 * b"\xff\xfe\0\2" + jpeg[2:]
    crowded = png_[:33] + 10_000 * chunk(b"teSt", b"") + png_[33:]
    for contents in (endless, crowded):
        with pytest.raises(tf.errors.InvalidArgumentError, match="picture 1 .* anew"):
            _serve(capped, jpeg, contents)


def test_the_frame_is_that_of_turned_pictures(capped):
    import tensorflow as tf

    turned = jpeg_with(exif("<", entry("<", 0x0112, 3, 1, 6)), size=(96, 30))
    found = _serve(capped, jpeg_with(size=(30, 96)), turned)
    assert found["sizes"].numpy().tolist() == [[30, 96], [30, 96]]
    with pytest.raises(tf.errors.InvalidArgumentError, match="got 2 of .96 96."):
        _serve(capped, jpeg_with(size=(96, 30)), turned)


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

    def save_another(graph, folder, limit):
        layer = graph.network.layers[-1]
        kernel, bias = layer.get_weights()
        layer.set_weights([kernel, bias + [0, 0.3, 0]])
        real(graph, folder, limit)
        layer.set_weights([kernel, bias])

    monkeypatch.setattr(saved_model, "_save", save_another)
    with pytest.raises(UserError, match="is off by"):
        export.write(by_brightness(), "saved_model", out, overwrite=True)
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "old"]


@pytest.mark.parametrize("name", ["decode_rgb", "turned"])
def test_an_export_that_reads_files_otherwise_does_not_appear(
    name, tmp_path, monkeypatch
):
    import tensorflow as tf

    from hyperseg_tf.base import encoded

    real = encoded.turned
    others = {"decode_rgb": _fast, "turned": lambda *x: tf.reverse(real(*x), [0])}
    monkeypatch.setattr(encoded, name, others[name])
    with pytest.raises(UserError, match="differs") as raised:
        export.write(by_brightness(), "saved_model", tmp_path / "out")
    assert name != "decode_rgb" or "photographs class_map" in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def _fast(contents):
    """What TensorFlow decodes unless told otherwise."""
    import tensorflow as tf

    return tf.ensure_shape(tf.io.decode_jpeg(contents, channels=3), (None, None, 3))


def test_an_export_that_does_not_load_does_not_appear(tmp_path, monkeypatch):
    monkeypatch.setattr(
        saved_model,
        "_save",
        lambda graph, folder, limit: (folder / "saved_model.pb").write_bytes(b"?"),
    )
    with pytest.raises(UserError, match="must load without this project"):
        export.write(by_brightness(), "saved_model", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"dynamic": False, "weight_groups": ()},
        {"backbone": "pspnet18"},
        {"patch_size": None, "context_levels": 0},
        pytest.param({"patch_size": 64, "positions": False}, marks=pytest.mark.grid),
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


@pytest.fixture(scope="module")
def capped(tmp_path_factory):
    """An export that answers up to 3x32x64 pixels, verified with what it takes."""
    import tensorflow as tf

    out = tmp_path_factory.mktemp("capped") / "export"
    export.write(by_brightness(), "saved_model", out, max_pixels=3 * 32 * 64)
    facts = json.loads((out / "assets.extra" / "classes.json").read_text())
    assert (facts["max_pixels"], facts["size_multiple"]) == (6144, 32)
    return tf.saved_model.load(str(out))


def _serve(capped, *encoded):
    import tensorflow as tf

    endpoint = capped.signatures["serve_bytes"]
    return endpoint(encoded=tf.constant(encoded, tf.string))


def test_the_cap_is_exact_and_counts_padding(capped):
    import tensorflow as tf

    uint8 = capped.signatures["serve_uint8"]
    assert uint8(images=tf.constant(_images(3, 31, 33)))["class_map"].shape[0] == 3
    encoded = [_png(image).numpy() for image in _images(3, 31, 33)]
    assert _serve(capped, *encoded)["sizes"].numpy().tolist() == 3 * [[31, 33]]
    for images in (_images(3, 31, 65), _images(3, 33, 33), _images(4, 31, 33)):
        for name, dtype in (("serve_uint8", tf.uint8), ("serving_default", tf.float32)):
            with pytest.raises(tf.errors.InvalidArgumentError, match="6,144 pixels"):
                capped.signatures[name](images=tf.cast(images, dtype))
        encoded = [_png(image).numpy() for image in images]
        with pytest.raises(tf.errors.InvalidArgumentError, match="6,144 pixels"):
            _serve(capped, *encoded)


@pytest.mark.parametrize("shape", [(1, 8, 8, 1), (8, 8, 3), (1, 8, 8, 4), (1, 0, 8, 3)])
def test_images_have_three_channels_and_are_not_empty(capped, shape):
    """One channel would be broadcast: a loaded function does not compare shapes."""
    import tensorflow as tf

    for name, dtype in (("serve_uint8", tf.uint8), ("serving_default", tf.float32)):
        spec = capped.signatures[name].structured_input_signature[1]["images"]
        assert spec.shape.as_list() == [None, None, None, 3]
        with pytest.raises(tf.errors.InvalidArgumentError):
            capped.signatures[name](images=tf.zeros(shape, dtype))


def _jpeg(height, width):
    """A small JPEG whose header says another size."""
    import tensorflow as tf

    jpeg = bytearray(tf.io.encode_jpeg(_images(1, 8, 8)[0]).numpy())
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return bytes(jpeg)


def _gif(frames):
    file = BytesIO()
    first, *more = [Image.new("L", (9, 9), 40 * i) for i in range(frames)]
    first.save(file, "GIF", save_all=True, append_images=more)
    return file.getvalue()


@pytest.mark.parametrize(
    ("hostile", "said"),
    [
        (png(20_000, 20_000), "20000 20000"),
        (png(2**32 - 1, 2**32 - 1), "4294967295 4294967295"),
        (png(1, 12_000_000), "1 12000000"),
        (png(0, 8), "0 8"),
        (_jpeg(60_000, 60_000), "60000 60000"),
        (_gif(1), "PNG or JPEG"),
        (_gif(3), "PNG or JPEG"),
        (b"BM" + bytes(99), "PNG or JPEG"),
        (b"", "PNG or JPEG"),
    ],
)
def test_a_bad_picture_is_named_before_anything_is_decoded(capped, hostile, said):
    """And the next request is answered. Often: decoding must not win a race."""
    import tensorflow as tf

    good = _png(_images(1, 9, 13)[0]).numpy()
    for _ in range(5):
        with pytest.raises(tf.errors.InvalidArgumentError, match="picture 1 .*" + said):
            _serve(capped, good, hostile)
    assert _serve(capped, good)["class_map"].shape == (1, 9, 13)


def test_a_wide_and_a_high_picture_together_are_counted_as_their_frame(capped):
    import tensorflow as tf

    wide, high = png(1, 96), png(96, 1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="got 2 of .96 96."):
        _serve(capped, wide, high)


def test_few_bits_in_16_are_refused_and_not_answered_as_black(capped):
    import tensorflow as tf

    def encoded(values):
        file = BytesIO()
        Image.fromarray(values).save(file, "PNG")
        return file.getvalue()

    values = np.arange(9 * 14, dtype=np.uint16).reshape(9, 14)
    _serve(capped, encoded(values * 500))  # up to 62500
    with pytest.raises(tf.errors.InvalidArgumentError, match="no value of 16 or more"):
        _serve(capped, encoded(values * 30))  # up to 3750
    # Of 8 bits a dark picture is a picture.
    _serve(capped, encoded(np.zeros((9, 14), np.uint8)))


def test_class_maps_of_logits_that_are_not_finite_are_not_answered(tmp_path):
    import tensorflow as tf

    model = by_brightness()
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel, bias + [0, 0, np.nan]])
    with pytest.raises(UserError, match="logits must be finite"):
        export.write(model, "saved_model", tmp_path / "out")
    export.write(model, "saved_model", tmp_path / "out", verify=False)
    signatures = tf.saved_model.load(str(tmp_path / "out")).signatures
    with pytest.raises(tf.errors.InvalidArgumentError, match="logits must be finite"):
        signatures["serve_uint8"](images=tf.constant(_images(1, 5, 7)))
    images = tf.cast(_images(1, 5, 7), tf.float32)
    logits = signatures["serving_default"](images=images)["logits"]
    assert np.isnan(logits).any(axis=-1).all()


def test_a_cap_below_every_picture_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"at least 2048.*got 2047"):
        export.write(by_brightness(), out=tmp_path / "out", max_pixels=2047)
    assert list(tmp_path.iterdir()) == []


_MEASURED = """
import resource, sys
import tensorflow as tf
endpoint = tf.saved_model.load(sys.argv[1]).signatures["serve_bytes"]
hostile = [open(path, "rb").read() for path in sys.argv[2:]]
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before = peak()
for contents in hostile:
    try:
        endpoint(encoded=tf.constant([contents]))
    except tf.errors.InvalidArgumentError:
        pass
    else:
        sys.exit("answered")
print(peak() - before)
"""


def test_refused_pictures_cost_no_memory(folder, tmp_path):
    """Whole files of few bytes that would take gigabytes."""
    Image.new("L", (20_000, 20_000)).save(tmp_path / "a.png")
    Image.new("L", (3_400, 3_400)).save(tmp_path / "b.jpg", quality=20)
    Image.new("RGB", (60_000, 100)).save(tmp_path / "c.jpg", progressive=True)
    paths = [str(tmp_path / name) for name in ("a.png", "b.jpg", "c.jpg")]
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, str(folder), *paths],
        capture_output=True,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 100  # MB
