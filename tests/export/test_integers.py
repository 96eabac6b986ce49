import itertools
import json

import numpy as np
import pytest
from PIL import Image

from hyperseg_tf import export
from hyperseg_tf.export import gate, integers
from hyperseg_tf.export.graph import ServingGraph
from hyperseg_tf.export.options import options
from tests.export import files
from tests.tiny_segmenter import by_brightness


@pytest.mark.parametrize("count", range(1, 8))
def test_the_fewest_that_suffice_are_found(count):
    names = "abcdefg"[:count]
    for needed in range(1, count + 1):
        asked = []

        def holds(kept, needed=needed, asked=asked):
            asked.append(len(kept))
            return len(kept) >= needed

        assert "".join(integers.fewest(names, holds)) == names[:needed]
        assert len(asked) == len(set(asked))
    assert "".join(integers.fewest(names, lambda kept: False)) == names


class _Known:
    """Layer by layer an error that is known; kept layers have none."""

    errors = {"a": 0.5, "b": 3.0, "c": 0.0, "d": 2.0}
    layers = tuple(errors)

    def made(self, kept=()):
        return sum(self.errors[name] for name in self.layers if name not in kept)

    def save(self, made, folder):
        (folder / "error").write_text(str(made))


class _Answer:
    """In place of a runtime: logits off by what the file says."""

    def __init__(self, name, path, dtype=np.float32):
        self._error = float((path.parent / "error").read_text())

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def __call__(self, images):
        return np.full((*images.shape[:3], 2), self._error, np.float32)


@pytest.fixture
def graph(tmp_path):
    for i in range(2):
        Image.new("RGB", (47, 33), (90 * i,) * 3).save(tmp_path / f"{i}.png")
    model = by_brightness()
    chosen = options("onnx", precision="int8", calibrate=tmp_path, size=(33, 47))
    return ServingGraph(model, chosen)


@pytest.fixture
def known(monkeypatch):
    monkeypatch.setattr(integers, "Runtime", _Answer)
    monkeypatch.setattr(integers, "opened", lambda format, folder: ("", folder / "x"))
    return _Known()


def test_layers_are_ranked_by_what_each_loses_alone(graph, known):
    assert integers.ranked(graph, known) == ["b", "d", "a", "c"]


@pytest.mark.parametrize(
    "bound, kept", [(6, ""), (2.5, "b"), (2.4, "bd"), (0.4, "bda"), (-1, "bdac")]
)
def test_as_few_as_suffice_stay_in_float(bound, kept, graph, known, monkeypatch):
    class Verdict:
        def __init__(self, graph, folder):
            self.holds = float((folder / "error").read_text()) <= bound

    monkeypatch.setattr(gate, "check", Verdict)
    assert "".join(integers.kept_in_float(graph, known)) == kept


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, precision",
    [
        ("tflite", "int8"),
        ("onnx", "int8"),
        ("tflite", "int16x8"),
        ("openvino", "int8"),
    ],
)
def test_an_export_of_integers_has_them_and_holds(name, precision, tmp_path):
    # Values far from where the class changes.
    images = files.pictures(3) // 4 + np.uint8(192) * (files.pictures(3) % 2)
    (tmp_path / "pictures").mkdir()
    for i in range(3):
        Image.fromarray(images[i]).save(tmp_path / "pictures" / f"{i}.png")
    out = files.written(
        name, tmp_path / "out", precision=precision, calibrate=tmp_path / "pictures"
    )
    parity = json.loads((out / "parity.json").read_text())
    assert parity["holds"] and parity["float_layers"] == []
    assert [row["scene"][:11] for row in parity["scenes"]] == 3 * ["calibration"]
    assert json.loads((out / "classes.json").read_text())["float_layers"] == []
    found = files.answer(name, out / export.FORMATS[name].files[0], images[:1])
    expected = files.expected(images[:1], "logits")
    error = np.abs(found - expected).max() / np.ptp(expected)
    # Not float32, and no more than the steps of its integers.
    assert (1e-7 if precision == "int16x8" else 1e-4) < error < 0.02


def _quantizers(tmp_path):
    from hyperseg_tf.export import onnx, openvino, tflite

    modules = {"tflite": tflite, "onnx": onnx, "openvino": openvino}
    for i in range(2):
        picture = files.pictures(2)[i]
        Image.fromarray(picture).save(tmp_path / f"{i}.png")
    for name, module in modules.items():
        model = _two_convolutions()
        asked = dict(precision="int8", calibrate=tmp_path, size=files.SIZE)
        graph = ServingGraph(model, options(name, **asked, model=model))
        yield name, module.quantizer(graph)


def _two_convolutions():
    import keras

    keras.utils.set_random_seed(0)
    inputs = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, name="first", activation="relu")(inputs)
    x = keras.layers.DepthwiseConv2D(3, name="second")(x)
    model = keras.Model(inputs, keras.layers.Conv2D(2, 1, name="third")(x), name="m")
    model.metadata = {}
    return model


@pytest.mark.slow
def test_kept_layers_alone_are_float(tmp_path):
    """Fewer layers in integers, smaller errors; none, none."""
    images = files.pictures()
    for name, quantizer in _quantizers(tmp_path):
        last = [layer.rsplit("/")[-1] for layer in quantizer.layers]
        assert last == ["first", "second", "third"], name
        outputs = {}
        for count in range(4):
            for kept in itertools.combinations(quantizer.layers, count):
                folder = (
                    tmp_path / f"{name}_{'_'.join(k.replace('/', '') for k in kept)}"
                )
                folder.mkdir()
                quantizer.save(quantizer.made(kept), folder)
                first = folder / export.FORMATS[name].files[0]
                outputs[kept] = files.answer(name, first, images)
        exact = outputs[quantizer.layers]
        errors = {kept: np.abs(o - exact).mean() for kept, o in outputs.items()}
        assert all(errors[kept] > 1e-4 for kept in errors if len(kept) < 3), name
        # One layer changes what it changes, whichever the others are.
        assert len({round(e, 9) for e in errors.values()}) == len(errors), name
