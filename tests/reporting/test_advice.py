"""Each thing that a run can show is told of, with its numbers, and nothing else."""

import json

import numpy as np
import pytest

from hyperseg_tf.reporting.advice import advice
from hyperseg_tf.reporting.run import read_run
from tests.reporting.written_run import NAMES, write_evaluation, write_log, write_run


def rows(miou, loss=None, val_loss=None, **columns):
    count = len(miou)
    loss = loss or [2 / (i + 1) for i in range(count)]
    val_loss = val_loss or [3 / (i + 1) for i in range(count)]
    return [
        {
            "epoch": i + 1,
            "step": 10 * (i + 1),
            "loss": loss[i],
            "val_loss": val_loss[i],
            "val_miou": miou[i],
            **{f"iou/{name}": columns.get(name, miou)[i] for name in NAMES},
            **{k: v[i] for k, v in columns.items() if k not in NAMES},
        }
        for i in range(count)
    ]


@pytest.fixture
def topics(tmp_path):
    """Topics of a run with these rows, facts, and evaluation."""

    def found(log, evaluation=None, **facts):
        folder = write_run(tmp_path / "run", miou=[r["val_miou"] for r in log], **facts)
        write_log(folder, log)
        if evaluation is not None:
            write_evaluation(folder / "evaluation.json", **evaluation)
        told = advice(read_run(folder))
        assert all(str(one).count("\n") == 0 for one in told)
        return {one.topic: str(one) for one in told}

    return found


STEADY = [0.70, 0.80, 0.81, 0.812, 0.813, 0.813]


def test_of_a_sound_run_nothing_is_said(topics):
    assert topics(rows(STEADY), {}) == {}


def test_a_short_run_is_told_how_long_to_go_on(topics):
    told = topics(rows([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]))
    assert list(told) == ["too short"]
    assert "20.0 points in the last 2 of 6" in told["too short"]
    assert "--extend 12" in told["too short"]


def test_what_was_learnt_by_heart_is_seen_in_loss_and_score_together(topics):
    rising = [1.0, 0.8, 0.9, 1.2, 1.4, 1.5]
    falling = [0.70, 0.80, 0.79, 0.78, 0.77, 0.76]
    told = topics(rows(falling, val_loss=rising))
    assert list(told) == ["learnt by heart"]
    assert "epoch 2 (0.8)" in told["learnt by heart"]


def test_a_loss_that_rises_alone_is_no_sign(topics):
    assert topics(rows(STEADY, val_loss=[1.0, 0.8, 0.9, 1.2, 1.4, 1.5])) == {}


def test_a_loss_that_does_not_fall_is_the_first_thing(topics):
    told = topics(rows([0.5] * 6, loss=[1.0, 1.0, 1.1, 0.99, 1.0, 0.98]))
    assert next(iter(told)) == "nothing is learnt"


def test_thin_classes_have_their_share_and_what_is_untried(topics):
    thin = [0.0, 0.0, 0.01, 0.02, 0.02, 0.02]
    pixels = {"train": [9_950, 50, 3], "val": [100, 7, 0]}
    log = rows(STEADY, **{NAMES[1]: thin})
    told = topics(log, class_pixels=pixels)
    assert (
        "thin pole (IoU 2.0 %, 0.5 % of the pixels) is hardly found"
        in (told["thin classes"])
    )
    assert "loss_class_weights=balanced" in told["thin classes"]
    assert "road has 99.5 %" in told["imbalance"]


def test_what_was_tried_is_not_advised_again(topics):
    thin = [0.0, 0.0, 0.01, 0.02, 0.02, 0.02]
    recipe = {
        "preset": "hyperseg_tiny",
        "epochs": 9,
        "seed": 0,
        "loss": ["cross_entropy", "dice"],
        "loss_class_weights": "balanced",
    }
    log = rows(STEADY, **{NAMES[1]: thin})
    pixels = {"train": [9_950, 50, 3], "val": [100, 7, 0]}
    told = topics(log, class_pixels=pixels, recipe=recipe)["thin classes"]
    assert "balanced" not in told and "dice" not in told and "larger crops" in told


def test_a_weak_class_of_many_pixels_is_another_thing(topics):
    log = rows(STEADY, **{NAMES[1]: [0.1] * 6})
    told = topics(log, class_pixels={"train": [60, 40, 0], "val": [3, 3, 0]})
    assert list(told) == ["weak classes"] and "(10.0 %)" in told["weak classes"]


def test_absent_classes_are_named_by_split(topics):
    told = topics(rows(STEADY), class_pixels={"train": [9, 8, 0], "val": [9, 0, 4]})
    assert "val has no pixel of thin pole" in told["absent classes"]


def test_classes_that_are_taken_for_others(topics):
    matrix = [[90, 10], [40, 60]]
    told = topics(rows(STEADY), {"matrix": matrix})
    assert "40 % of thin pole is taken for road" in told["mistaken classes"]
    assert "of road" not in told["mistaken classes"]


def test_a_leak_that_evaluate_found_is_passed_on(topics):
    told = topics(rows(STEADY), {"leak": "3 pictures are in train, too"})
    assert "3 pictures are in train, too" in told["pictures in two splits"]


def test_waiting_and_random_weights(topics):
    told = topics(rows(STEADY, waited=[0.4] * 6), weights="random")
    assert "40 %" in told["waiting for data"]
    assert "imagenet" in told["random weights"].lower()


@pytest.mark.parametrize(
    "facts",
    [
        {"class_pixels": {"train": "many", "val": [None, 3, -1]}},
        {"class_pixels": None},
        {"data": {"classes": 7}},
        {"recipe": {}},
        {"weights": ["x"]},
    ],
)
def test_facts_that_are_missing_or_strange_say_nothing(topics, facts):
    assert topics(rows(STEADY), **facts) == {}


def test_scores_that_are_undefined_say_nothing(topics, tmp_path):
    log = rows([0.5, 0.6, 0.7])
    log[0]["val_loss"] = float("nan")
    told = topics(log)
    assert "learnt by heart" not in told and np.isfinite(0.7)
    assert json.loads((tmp_path / "run/run.json").read_text())["best"]
