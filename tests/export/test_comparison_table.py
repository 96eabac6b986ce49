import json

import pytest

from hyperseg_tf.export.bounds import bounds_of
from hyperseg_tf.export.comparison_table import Comparison, Entry, LeftOut
from hyperseg_tf.export.formats import FORMATS
from hyperseg_tf.export.options import Options
from hyperseg_tf.export.parity import Parity, Row, Score


def _entry(name, precision, seconds, agreement=1.0, fault="", score=None, batch=2):
    options = Options(FORMATS[name], precision, (33, 47), batch, "logits")
    rows = (
        Row("scene 0", fault, 1e-6, None, agreement, agreement / 2),
        Row("scene 1", "", 1e-6, None, 1.0, 1.0),
    )
    return Entry(
        bytes=3 * 2**19,
        load_seconds=2.5,
        first_seconds=0.75,
        seconds=seconds,
        cpu_seconds=tuple(2 * value for value in seconds),
        peak_mb=321.4,
        parity=Parity(options, bounds_of(precision), rows, score),
    )


def _comparison(*entries, **change):
    facts = dict(
        model="road.keras",
        random_weights=False,
        size=(33, 47),
        batch=2,
        threads=None,
        warm_up=3,
        load_before=1.25,
        load_after=None,
        entries=(_entry("saved_model", "float32", (0.1, 0.2, 0.4)), *entries),
        left_out=(LeftOut("tf_trt", "float16", "no GPU"),),
    )
    return Comparison(**facts | change)


def _cells(table, start):
    (line,) = (line for line in table.splitlines() if line.startswith(f"| {start} "))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_row_has_what_was_measured():
    score = Score("scenes", 40, 61.25, 60.5)
    entry = _entry("onnx", "float32", (0.05, 0.3, 0.2), 0.99995, score=score)
    table = _comparison(entry).table()
    assert _cells(table, "onnx") == [
        *("onnx float32 !", "1.5", "2.50", "750"),
        # Round by round: 0.5, 1.5 and 0.5.
        *("200.0", "0.50", "290.0", "400.0", "0.50"),
        *("10.9", "321", "49.998 %", "99.995 %", "60.50 %"),
    ]
    assert _cells(table, "saved_model")[-1] == "-"
    assert len(_cells(table, "onnx")) == len(_cells(table, "format"))


def test_the_table_says_where_and_how_it_was_measured():
    comparison = _comparison()
    table = comparison.table()
    assert "road.keras at 33x47, batch 2" in table and "3 rounds after 3" in table
    assert f"{comparison.processor}, {comparison.cores} cores" in table
    assert "load 1.25 before, unknown after" in table
    assert "threads: as each runtime chooses" in table
    assert "tensorflow 2" in table
    assert "left out: tf_trt float16: no GPU" in table
    assert "random" not in table and "refuse" not in table
    table = _comparison(threads=1, random_weights=True).table()
    assert "threads: 1;" in table and "weights are random" in table


@pytest.mark.parametrize(
    ("precision", "agreement", "score", "beyond"),
    [
        ("float32", 0.9998, None, True),
        ("int8", 0.5, None, False),
        ("int8", 0.5, Score("scenes", 40, 61.0, 60.5), False),
        ("int8", 1.0, Score("scenes", 40, 61.0, 59.5), True),
    ],
)
def test_what_an_export_would_be_refused_for_is_marked(
    precision, agreement, score, beyond
):
    entry = _entry("onnx", precision, (1.0, 1.0, 1.0), agreement, score=score)
    table = _comparison(entry).table()
    assert ("!" in _cells(table, "onnx")[0]) == beyond
    assert ("would refuse it" in table) == beyond


def test_a_reason_that_several_have_is_told_once():
    left_out = [("onnx", "int8", "a"), ("tf_trt", "float32", "b")]
    left_out.append(("tflite", "int8", "a"))
    table = _comparison(left_out=tuple(LeftOut(*one) for one in left_out)).table()
    lines = [line for line in table.splitlines() if line.startswith("left out")]
    assert lines == [
        "left out: onnx int8, tflite int8: a",
        "left out: tf_trt float32: b",
    ]


def test_an_answer_of_another_shape_is_told():
    fault = "logits float32 (1, 2) instead of float32 (1, 3)"
    entry = _entry("onnx", "float32", (1.0, 1.0, 1.0), 0.0, fault=fault)
    assert _cells(_comparison(entry).table(), "onnx")[-2] == fault


def test_the_file_has_every_number(tmp_path):
    entry = _entry("onnx", "float32", (0.05, 0.3, 0.2), 0.99995)
    comparison = _comparison(entry)
    comparison.write_json(tmp_path / "a.json")
    found = json.loads((tmp_path / "a.json").read_text())
    assert found["size"] == [33, 47] and found["threads"] is None
    assert found["load_before"] == 1.25 and found["processor"] and found["versions"]
    (left_out,) = found["left_out"]
    assert left_out == {"format": "tf_trt", "precision": "float16", "reason": "no GPU"}
    first, onnx = found["entries"]
    assert (first["latency_ratio"], onnx["latency_ratio"]) == pytest.approx((1, 0.5))
    assert onnx["latencies_ms"] == pytest.approx([50, 300, 200])
    assert onnx["cpu_p50_ms"] == pytest.approx(400)
    assert onnx["pictures_per_s"] == pytest.approx(6 / 0.55)
    assert onnx["same"] == 0.499975 and onnx["agreement"] == 0.99995
    assert not onnx["beyond"]
