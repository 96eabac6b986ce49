import json
import os
import shutil
import sys

import pytest

from benchmarks import roofline, roofs
from benchmarks.blocks.work import Roofs


def block(label, residual=True):
    return {
        "label": label,
        "residual": residual,
        "work": {"flops": 8_000_000, "intensity": 20.0},
        "static_work": {"flops": 6_000_000, "intensity": 15.0},
        "median_ms": {"fused": 1.0, "xla": 4.0, "static": 2.0},
    }


def data(*threads):
    return {
        "benchmark": "blocks_cpu",
        "runs": [
            {
                "threads": n,
                "machine": {"cpu": "a processor"},
                "roofs": {"flops_per_second": 1e11, "bytes_per_second": 2e10},
                "summary": {"quiet": True},
                "blocks": [block("x/3"), block("x/0", residual=False)],
            }
            for n in threads
        ],
    }


def test_printed_roofs_are_read():
    assert roofs.parse("1.5e+11 2e+10\n") == Roofs(1.5e11, 2e10)


def test_higher_roof_counts_one_by_one():
    assert roofs.higher(Roofs(1.0, 5.0), Roofs(3.0, 2.0)) == Roofs(3.0, 5.0)


@pytest.mark.slow
@pytest.mark.skipif(
    not shutil.which(os.environ.get("CXX") or "g++") and not os.environ.get("CI"),
    reason="the program is compiled: there is no g++, and CXX names none",
)
@pytest.mark.skipif(sys.platform != "linux", reason="flags are those of Linux")
def test_measured_roofs_are_of_a_computer():
    with roofs.program() as binary:
        found = roofs.measure(binary, 1)
    assert 1e9 < found.flops_per_second < 1e13
    assert 1e8 < found.bytes_per_second < 1e12


def test_rate_is_the_work_of_that_way_over_its_time():
    run = roofline.choose_run(data(1))
    assert roofline.points(run, "xla") == [roofline.Point("x/3", 20.0, 2e9)]
    assert roofline.points(run, "static") == [roofline.Point("x/3", 15.0, 3e9)]


def test_run_with_the_most_threads_is_drawn():
    assert roofline.choose_run(data(1, 4, 2))["threads"] == 4
    assert roofline.choose_run(data(1, 4, 2), threads=2)["threads"] == 2


@pytest.mark.parametrize(
    "found, threads, words",
    [(data(1), 3, r"has runs of \[1\]"), ({"benchmark": "other"}, 1, "blocks_cpu")],
)
def test_wrong_files_are_refused(found, threads, words):
    with pytest.raises(ValueError, match=words):
        roofline.choose_run(found, threads)


def test_picture_is_written(tmp_path, monkeypatch, capsys):
    source, out = tmp_path / "blocks.json", tmp_path / "new" / "roofline.png"
    source.write_text(json.dumps(data(1)))
    words = ["roofline", "--from", str(source), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", words)
    roofline.main()
    assert out.read_bytes().startswith(b"\x89PNG")
    assert str(out) in capsys.readouterr().out
