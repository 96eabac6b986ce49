import pytest

from benchmarks import harness, scaling_cpu

SWEEP = scaling_cpu.Sweep("fused block", "batch", "pixel", {"1": 10, "2": 20, "4": 40})
MEMORY = {"1": 100, "2": 200, "4": 400}


def turns(*columns, others=0.0):
    return {
        label: [harness.Turn(ms, others) for ms in column]
        for label, column in zip(SWEEP.work, columns, strict=True)
    }


def test_twice_the_time_for_twice_the_work_is_linear():
    assert scaling_cpu.step_factor(3.0, 6.0, 2.0) == 1.0
    assert scaling_cpu.step_factor(3.0, 9.0, 2.0) == 1.5
    assert scaling_cpu.step_factor(3.0, 3.0, 2.0) == 0.5


def test_steps_are_formed_inside_a_round():
    # The machine got slower from round to round, the steps did not.
    measured = turns((1.0, 2.0, 9.0), (2.0, 4.0, 18.0), (4.0, 8.0, 36.0))
    points = scaling_cpu.summary(SWEEP, measured, MEMORY)["points"]
    assert "time_step" not in points[0]
    assert [point["time_step"] for point in points[1:]] == [1.0, 1.0]
    assert [point["memory_step"] for point in points[1:]] == [1.0, 1.0]
    assert points[1]["ns_per_unit"] == pytest.approx(1e6 * 4.0 / 20)


@pytest.mark.parametrize(
    "last, memory, words",
    [
        (4.5, 400, "linear"),
        (5.0, 400, "NOT LINEAR"),
        (4.5, 500, "NOT LINEAR"),
    ],
)
def test_one_step_over_the_limit_is_not_linear(last, memory, words):
    measured = turns((1.0,) * 3, (2.0,) * 3, (last,) * 3)
    points = scaling_cpu.summary(SWEEP, measured, {**MEMORY, "4": memory})["points"]
    assert f": {words} (" in scaling_cpu.verdict(points)


def test_disturbed_rounds_do_not_count():
    measured = turns((1.0,) * 4, (2.0,) * 4, (4.0,) * 4)
    measured["2"][1] = harness.Turn(50.0, 0.8)
    points = scaling_cpu.summary(SWEEP, measured, MEMORY)["points"]
    assert points[1]["time_step"] == points[2]["time_step"] == 1.0
    assert points[1]["median_ms"] == 2.0


def test_no_verdict_on_a_busy_machine():
    measured = turns((1.0,) * 3, (2.0,) * 3, (4.0,) * 3, others=0.5)
    points = scaling_cpu.summary(SWEEP, measured, MEMORY)["points"]
    assert "not judged" in scaling_cpu.verdict(points)


def test_points_double_the_work():
    blocks = scaling_cpu.block_points(5, 256)
    sizes = scaling_cpu.network_points(5, 256)
    *doubling, grid, batch, area = scaling_cpu.sweeps(blocks, sizes)
    for sweep in (*doubling, batch, area):
        first, *_ = work = list(sweep.work.values())
        assert work == [first * factor for factor in (1, 2, 4, 8, 16)]
    assert list(grid.work) == [f"grid {n}x{n}" for n in (4, 8, 16, 32, 64)]
    assert sizes["area x8"] == (1, 512, 1024)
    assert blocks["area x8"].rows * blocks["area x8"].columns == 8 * 64
