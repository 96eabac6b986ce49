import io
import json

import numpy as np
import pytest
from PIL import Image

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.pixels import normalise
from hyperseg_tf.profiling import benchmark
from hyperseg_tf.profiling.timings import NETWORK, Benchmark, Timed
from tests.tiny_segmenter import by_brightness, random_hyperseg


@pytest.mark.slow
def test_what_is_timed_is_the_model():
    model = random_hyperseg()
    images = normalise(np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3)))
    expected = np.asarray(model.with_implementation("einsum")(images, training=False))
    found = benchmark.frozen(model, images)()
    assert found.shape == expected.shape
    # A random network magnifies rounding errors; another network is off by the spread.
    assert np.abs(found - expected).mean() < 0.01 * expected.std()


def test_every_call_is_reported(tmp_path):
    result = benchmark.run(
        by_brightness(), size=(7, 13), batch_size=2, calls=5, warm_up=1
    )
    assert len(result.latencies_ms) == 5 and min(result.latencies_ms) > 0
    assert sorted(result.latencies_ms)[2] == result.median_ms <= result.p95_ms
    assert "7x13, batch 2, normalised images to logits, float32" in result.table()
    assert result.timed[0].implementation == "none" and result.peak_bytes > 1e7
    result.write_json(tmp_path / "a" / "b.json")
    found = json.loads((tmp_path / "a" / "b.json").read_text())
    assert found["median_ms"] == result.median_ms
    assert found["size"] == [7, 13] and "tensorflow" in found["versions"]


def test_wrong_arguments_are_refused():
    with pytest.raises(UserError, match="nothing does not exist; .*road11.*presets"):
        benchmark.run("nothing")
    with pytest.raises(ValueError, match="calls"):
        benchmark.run(by_brightness(), calls=0)


def test_bytes_to_bytes_is_a_job_of_its_own(tmp_path):
    model = by_brightness()
    result = benchmark.run(model, size=(7, 13), batch_size=2, calls=3, end_to_end=True)
    assert "bytes of JPEGs to bytes of PNG masks" in result.table()
    result.write_json(tmp_path / "a.json")
    # A report takes it for no latency of the network.
    assert "latencies_ms" not in json.loads((tmp_path / "a.json").read_text())
    masks = benchmark._bytes_to_bytes(model, (40, 56), 2)()
    for data in masks:
        with Image.open(io.BytesIO(data)) as mask:
            assert mask.format == "PNG" and mask.size == (56, 40) and mask.mode == "L"


def test_each_in_turns_is_held_against_the_first_round_by_round():
    clock = {"a": [], "b": []}
    steps = {name: lambda name=name: clock[name].append(name) for name in clock}
    a, b = benchmark._in_turns(steps, 2, 9)
    assert (a.implementation, b.implementation) == ("a", "b")
    assert len(a.latencies_ms) == len(b.cpu_ms) == 9
    assert [len(calls) for calls in clock.values()] == [12, 12]


def test_a_ratio_is_the_median_of_rounds():
    rows = [
        Timed(implementation=n, first_ms=9.0, latencies_ms=t, cpu_ms=t)
        for n, t in (("fused", (1.0, 2.0, 10.0)), ("xla", (3.0, 4.0, 10.0)))
    ]
    result = Benchmark(
        model="m",
        size=(1, 2),
        batch_size=1,
        job=NETWORK,
        precision="float32",
        device="d",
        cores=2,
        threads=1,
        load=None,
        timed=tuple(rows),
        left_out=(("einsum", "no einsum"),),
    )
    assert [result.ratio(row) for row in rows] == [1.0, 2.0]
    table = result.table()
    assert "1 thread\n" in table and "3 calls, in turns" in table
    assert "einsum: not here: no einsum" in table


@pytest.mark.slow
def test_implementations_come_in_turns():
    result = benchmark.run(
        random_hyperseg(), size=(64, 64), calls=2, warm_up=1, implementations="all"
    )
    found = [row.implementation for row in result.timed]
    assert found[-3:] == ["xla", "slices", "einsum"]
    assert found[:-3] == ["fused"] or result.left_out[0][0] == "fused"


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"implementations": ["fused"]}, "this model has none"),
        (
            {"implementations": ["fused"], "end_to_end": True},
            "timed as predict does it",
        ),
    ],
)
def test_implementations_that_change_nothing_are_refused(options, rule):
    with pytest.raises(UserError, match=rule):
        benchmark.run(by_brightness(), size=(8, 8), **options)
