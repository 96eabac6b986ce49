import json

import numpy as np
import pytest

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.pixels import normalise
from hyperseg_tf.profiling import benchmark
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
    assert "7x13, batch 2" in result.table()
    result.write_json(tmp_path / "a" / "b.json")
    found = json.loads((tmp_path / "a" / "b.json").read_text())
    assert found["median_ms"] == result.median_ms
    assert found["size"] == [7, 13] and "tensorflow" in found["versions"]


def test_wrong_arguments_are_refused():
    with pytest.raises(UserError, match="nothing does not exist; .*road11.*presets"):
        benchmark.run("nothing")
    with pytest.raises(ValueError, match="calls"):
        benchmark.run(by_brightness(), calls=0)
