import inspect
import json
import tempfile

import numpy as np
import pytest

from hyperseg_tf import cli, export
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.pixels import normalise
from hyperseg_tf.export import turns
from hyperseg_tf.export.comparison import compare
from hyperseg_tf.export.options import options
from hyperseg_tf.export.runtime import Cost
from tests.tiny_segmenter import by_brightness, write_data

SIZE = (33, 47)


class _Runtime:
    """Answers as `by_brightness`, at once; `faults` are raised after some calls."""

    def __init__(self, program, path, threads, *, project=False):
        self.program, self.threads, self.calls, self.closed = program, threads, 0, False
        self.load_seconds = 0.5
        self.project = project
        if program in self.faults and not self.faults[program][0]:
            raise self.faults[program][1]
        self.all.append(self)

    def __call__(self, images):
        self.calls += 1
        after, error = self.faults.get(self.program, (10**9, None))
        if self.calls > after:
            raise error
        self.cost = Cost(0.25, 0.5, 100.0 + self.calls)
        logits = np.asarray(by_brightness()(normalise(images)))
        return -logits if self.program in self.wrong else logits

    def close(self):
        self.closed = True

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """Where the exports go."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"


@pytest.fixture
def stand_ins(scratch, monkeypatch):
    """No export is written and no process started; yields the class of the runtimes."""
    allowed = set(inspect.signature(export.write).parameters)

    def write(model, format, out, **asked):
        assert set(asked) <= allowed and not asked.pop("verify")
        # As the real one, which refuses what a format has not.
        found = options(format, **asked, model=model)
        if format == "openvino":
            raise RuntimeError("no such layer\nand a long story")
        out.mkdir()
        for name in found.format.files:
            (out / name).write_bytes(b"12345")

    def model_file(model, folder):
        (folder / "model.keras").write_bytes(b"123")
        return "model", folder / "model.keras"

    monkeypatch.setattr(turns, "write", write)
    monkeypatch.setattr(turns, "_model_file", model_file)
    monkeypatch.setattr(turns, "Runtime", _Runtime)
    missing = {"tensorrt": lambda: ["an engine", "a GPU"], "tf_trt": lambda: ["a GPU"]}
    monkeypatch.setattr(turns, "_MISSING", missing)
    monkeypatch.setattr(_Runtime, "all", [], raising=False)
    monkeypatch.setattr(_Runtime, "faults", {}, raising=False)
    monkeypatch.setattr(_Runtime, "wrong", set(), raising=False)
    yield _Runtime
    assert list(scratch.glob("hyperseg_tf_*")) == []
    assert all(one.closed for one in _Runtime.all)


def _compare(formats, **choice):
    choice = {"size": SIZE, "calls": 4, "warm_up": 2, **choice}
    return compare(by_brightness(), formats, **choice)


def _names(comparison):
    return [entry.name for entry in comparison.entries]


@pytest.mark.slow
def test_what_cannot_be_exported_here_is_left_out_with_the_reason(stand_ins):
    found = _compare("all")
    assert _names(found) == [
        "model float32",
        "saved_model float32",
        *(f"tflite {precision}" for precision in ("float32", "float16", "dynamic")),
        "onnx float32",
    ]
    reasons = {(one.format, one.precision): one.reason for one in found.left_out}
    assert reasons["openvino", "float16"] == "RuntimeError: no such layer"
    assert reasons["tensorrt", "float16"] == "missing: an engine, and a GPU"
    assert "--calibrate DIR" in reasons["onnx", "int8"]
    assert len(reasons) == 11


def test_pictures_to_calibrate_with_go_to_integers_alone(stand_ins, tmp_path):
    found = _compare("onnx,onnx:int8,tflite:dynamic", calibrate=tmp_path)
    assert len(found.entries) == 4 and not found.left_out


def test_in_every_round_each_answers_once(stand_ins):
    found = _compare("onnx,tflite", threads=3, batch=2)
    assert [one.calls for one in stand_ins.all] == [6, 6, 6]
    assert {one.threads for one in stand_ins.all} == {3}
    assert [one.project for one in stand_ins.all] == [True, False, False]
    model, onnx, _ = found.entries
    assert onnx.seconds == 4 * (0.25,) and onnx.cpu_seconds == 4 * (0.5,)
    assert (model.bytes, onnx.bytes) == (3, 5)
    assert onnx.pictures_per_second == 8 and onnx.peak_mb == 106
    assert onnx.agreement == 1 and not onnx.beyond
    assert found.model == "by_brightness" and not found.random_weights


@pytest.mark.parametrize("after", [0, 1, 4])
def test_a_runtime_that_fails_is_left_out_and_the_others_go_on(stand_ins, after):
    stand_ins.faults["onnx"] = (after, UserError("it failed.\nso it did"))
    found = _compare("onnx,tflite")
    assert _names(found) == ["model float32", "tflite float32"]
    assert [len(entry.seconds) for entry in found.entries] == [4, 4]
    (left_out,) = found.left_out
    assert (left_out.format, left_out.reason) == ("onnx", "it failed.")


@pytest.mark.parametrize("program", ["model", "onnx"])
@pytest.mark.parametrize("error", [UserError("no"), KeyboardInterrupt(), OSError("no")])
def test_an_end_in_the_middle_leaves_nothing(stand_ins, program, error):
    """The fixture looks for what is left."""
    stand_ins.faults[program] = (3, error)
    if program == "onnx" and isinstance(error, UserError):
        assert len(_compare("onnx,tflite").entries) == 2
        return
    with pytest.raises(type(error)):
        _compare("onnx,tflite")
    assert len(stand_ins.all) == 3


@pytest.mark.slow
def test_an_export_that_answers_otherwise_is_found_out(stand_ins, tmp_path):
    stand_ins.wrong.add("onnx")
    data = write_data(tmp_path / "data", [[[0] * 47] * 20 + [[1] * 47] * 13])
    model, tflite, onnx = _compare("tflite,onnx", labels=data).entries
    assert onnx.agreement < 0.5 and onnx.beyond and not tflite.beyond
    assert [one.parity.score.export for one in (model, tflite, onnx)] == [100, 100, 0]
    assert onnx.parity.score.model == 100


def test_labels_that_do_not_fit_are_refused_before_anything_is_written(
    stand_ins, tmp_path
):
    data = write_data(tmp_path / "data", [[[0, 1]]], names=("dark", "light", "no"))
    with pytest.raises(UserError, match="light"):
        _compare("onnx", labels=data)
    assert not stand_ins.all


def test_wrong_arguments_are_refused(scratch):
    with pytest.raises(UserError, match="nothing does not exist; .*road11.*presets"):
        compare("nothing", "onnx")
    with pytest.raises(UserError, match="--size"):
        compare(by_brightness(), "onnx")
    with pytest.raises(UserError, match="at least 32"):
        _compare("onnx", size=(31, 40))
    with pytest.raises(ValueError, match="calls"):
        _compare("onnx", calls=0)
    with pytest.raises(ValueError, match="HyperSeg"):
        _compare("onnx")
    assert list(scratch.glob("hyperseg_tf_*")) == []


@pytest.mark.slow
def test_exports_are_run_and_compared_with_the_model(scratch, tmp_path, monkeypatch):
    """The model's own row from ONNX, as what a HyperSeg is run by takes seconds."""

    def model_file(model, folder):
        out = export.write(model, "onnx", folder / "m", size=SIZE, verify=False)
        return "onnx", out / "model.onnx"

    monkeypatch.setattr(turns, "_model_file", model_file)
    labels = [[[0] * 47] * top + [[1] * 47] * (33 - top) for top in (10, 20)]
    data = write_data(tmp_path / "data", labels)
    found = _compare("onnx,tflite", calls=3, labels=data, threads=1)
    assert not found.left_out and len(found.entries) == 3
    for entry in found.entries:
        assert entry.agreement == 1 and not entry.beyond
        assert len(entry.seconds) == 3 and min(entry.seconds) > 0
        assert entry.load_seconds > 0 and 10 < entry.peak_mb < 1000
        assert entry.parity.score.images == 2 and entry.parity.score.export == 100
    assert found.entries[1].bytes < 20_000
    assert list(scratch.glob("hyperseg_tf_*")) == []


@pytest.mark.slow
def test_the_command_compares_formats(scratch, tmp_path, capsys):
    path = tmp_path / "a.json"
    words = "benchmark hyperseg_tiny --formats saved_model,onnx,tf_trt --size 64x96"
    assert cli.main([*words.split(), "--calls", "3", "--json", str(path)]) == 0
    table = capsys.readouterr().out
    assert "hyperseg_tiny at 64x96" in table and "weights are random" in table
    assert "left out: tf_trt float32: " in table
    found = json.loads(path.read_text())
    assert [entry["format"] for entry in found["entries"]] == [
        "model",
        "saved_model",
        "onnx",
    ]
    for entry in found["entries"]:
        assert not entry["beyond"] and entry["agreement"] > 0.999
        assert len(entry["latencies_ms"]) == 3 and entry["bytes"] > 10**6
    # TensorFlow is in the first two processes only.
    peaks = [entry["peak_mb"] for entry in found["entries"]]
    assert peaks[2] < min(peaks[:2])
    assert list(scratch.glob("hyperseg_tf_*")) == []
