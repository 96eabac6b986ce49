import time

import numpy as np
import pytest

from benchmarks import data_cpu
from benchmarks.data import peers
from benchmarks.data.scenario import CLASSES, Scenario, picture, write

SIZES = {"size": (61, 83), "crop": (40, 50), "scale": (0.4, 1.6)}
SCENARIOS = [
    Scenario("files", **SIZES),
    Scenario("JPEG in memory", **SIZES, suffix=".jpg", in_memory=True, dtype="uint8"),
]
WAYS = {
    "ours": (peers.ours, {"method": "bilinear", "antialias": False}),
    "albumentations": (peers.albumentations, {}),
    "albumentations area": (peers.albumentations, {"area": True}),
    "pillow": (peers.pillow, {}),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    for scenario in SCENARIOS:
        write(scenario, root, 3)
    return str(root)


@pytest.mark.parametrize("name", list(WAYS)[1:])
def test_every_pipeline_gives_the_same_kind_of_batch(name, root):
    """Shapes, types, ranges; void where a picture is too small; all classes known."""
    factory, options = WAYS[name]
    steps = factory(threads=1, root=root, scenarios=SCENARIOS, batch_size=3, **options)
    _check(steps)


@pytest.mark.slow  # it sets threads, which only a process of its own may
def test_ours_gives_the_same_kind_of_batch(root):
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pool.submit(_ours, root).result()


def _ours(root):
    factory, options = WAYS["ours"]
    _check(factory(1, root, SCENARIOS, 3, **options))


def _check(steps):
    for scenario in SCENARIOS:
        void = False
        for _ in range(8):
            images, labels = steps[scenario.name]()
            assert images.shape == (3, 40, 50, 3) and images.dtype == scenario.dtype
            assert labels.shape == (3, 40, 50) and labels.dtype == np.uint8
            assert set(np.unique(labels)) <= {*range(CLASSES), 255}
            outside = images[labels == 255].astype(float)
            wanted = 0 if scenario.dtype == "float32" else peers.MEAN_COLOUR
            if len(outside):
                void = True
                assert np.abs(outside - wanted).max() < 1.1
        assert void


def test_pictures_are_drawn_anew_but_alike():
    image, label = picture(50, 70, seed=1)
    assert image.shape == (50, 70, 3) and label.shape == (50, 70)
    np.testing.assert_array_equal(image, picture(50, 70, seed=1)[0])
    assert (image != picture(50, 70, seed=2)[0]).any()


def test_a_turn_counts_cpu_time_and_not_waiting():
    def work():
        end = time.process_time() + 0.02
        while time.process_time() < end:
            pass
        time.sleep(0.05)

    found = data_cpu.cpu_turn(work, batch_size=2, seconds=0.2)
    assert 9 < found < 25


def test_every_scenario_has_the_goal_of_the_project():
    goals = {scenario.name: scenario.goal for scenario in data_cpu.SCENARIOS}
    assert goals == {
        "camvid files": 1.5,
        "camvid RAM float32": 3,
        "camvid RAM uint8": 5,
        "cityscapes PNG": 1,
        "cityscapes JPEG": 3.5,
        "cityscapes RAM uint8": 12,
    }
