import numpy as np

from benchmarks import harness, training_cpu


def comparison(latencies_ms, others=0.0):
    return harness.Comparison(
        title="",
        reference="einsum",
        threads=1,
        one_process=False,
        machine={},
        turns={k: [harness.Turn(ms, others)] for k, ms in latencies_ms.items()},
        outputs={},
        goals={},
        wanted_rounds=1,
    )


def measured(auto, **others_ms):
    turns = {("decoder", "auto"): 30.0, ("decoder", "einsum"): 90.0}
    turns[("step", "auto")] = auto
    turns |= {("step", name): ms for name, ms in others_ms.items()}
    return turns


def test_auto_is_the_fastest_but_for_chance():
    turns = measured(101.0, fused=100.0, einsum=200.0)
    line = training_cpu.fastest(comparison(turns))
    assert "'fused': 1.01, goal: auto is the fastest, met" in line
    turns = measured(120.0, fused=130.0, xla=100.0, einsum=200.0)
    line = training_cpu.fastest(comparison(turns))
    assert "'xla': 1.20, goal: auto is the fastest, missed" in line
    assert "not judged" in training_cpu.fastest(comparison(turns, others=0.5))
    assert "goal" not in training_cpu.fastest(comparison(turns), judged=False)


def test_the_decoders_share_is_of_its_own_step():
    auto, einsum = training_cpu.shares(
        comparison(measured(100.0, einsum=300.0)), goal=0.5
    )
    assert "'auto': 30.0% of its step, goal <= 50% met" in auto
    assert einsum == "decoder of 'einsum': 30.0% of its step."


def test_the_batch_has_every_class_and_pictures_of_its_own():
    images, labels = training_cpu.batch(3, 100, 120, 12)
    assert images.shape == (3, 100, 120, 3) and images.dtype == np.float32
    assert labels.shape == (3, 100, 120) and labels.dtype == np.uint8
    assert set(np.unique(labels)) == set(range(12))
    assert np.abs(images[0] - images[1]).mean() > 0.1
    for found, again in zip(
        (images, labels), training_cpu.batch(3, 100, 120, 12), strict=True
    ):
        np.testing.assert_array_equal(found, again)


def test_every_table_has_auto_and_the_reference():
    assert training_cpu.groups(training_cpu.IMPLEMENTATIONS, 4) == [
        ["auto", "fused", "xla", "einsum"],
        ["auto", "slices", "einsum"],
    ]
    assert training_cpu.groups(training_cpu.IMPLEMENTATIONS, 9) == [
        list(training_cpu.IMPLEMENTATIONS)
    ]
    assert training_cpu.groups(["einsum"], 1) == [["auto", "einsum"]]
