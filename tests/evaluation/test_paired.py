import copy

import numpy as np
import pytest

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.evaluation.intervals import bootstrap
from hyperseg_tf.evaluation.paired import paired_differences

NAMES = ["sky", "pole", "void class"]


def _counts(number, gain=0.0, seed=0):
    """Pictures that are hard for every model, and one that is right a little more."""
    rng = np.random.default_rng(seed)
    labelled = rng.integers(500, 1000, (number, 3))
    ease = rng.uniform(0.2, 0.9, (number, 1))
    right = (labelled * np.clip(ease + gain, 0, 1)).astype(int)
    return np.stack([right, labelled, labelled], axis=1)


def _iou(counts):
    right, labelled, predicted = counts.sum(axis=0)
    with np.errstate(invalid="ignore"):  # of a class that is absent
        return right / (labelled + predicted - right)


def _scores(counts, counted=2, model="ours"):
    iou = _iou(counts)
    right, labelled, _ = counts.sum(axis=0)
    return {
        "model": model,
        "absent": "skip",
        "miou": iou[:counted].mean(),
        "pixel_accuracy": right.sum() / labelled.sum(),
        "iou": {name: iou[i] for i, name in enumerate(NAMES[:counted])},
        "classes": NAMES,
        "pictures": [
            {
                "name": str(i),
                "counts": {
                    n: row[:, k].tolist()
                    for k, n in enumerate(NAMES)
                    if row[:, k].any()
                },
            }
            for i, row in enumerate(counts)
        ],
    }


def test_intervals_are_those_of_differences_on_the_same_drawn_pictures():
    one, two = _counts(40, 0.05), _counts(40)
    found = paired_differences(_scores(one), _scores(two, model="theirs"))
    assert found["model"] == "theirs" and found["resamples"] == 1000
    rng = np.random.default_rng(7)
    drawn = []
    for _ in range(4000):
        chosen = rng.integers(0, 40, 40)
        drawn.append(_iou(one[chosen]) - _iou(two[chosen]))
    drawn = np.array(drawn)
    want = np.quantile(drawn[:, :2].mean(axis=1), [0.025, 0.975])
    np.testing.assert_allclose(found["miou"]["interval"], want, atol=0.0015)
    each = np.quantile(drawn, [0.025, 0.975], axis=0).T
    for i, name in enumerate(NAMES[:2]):
        np.testing.assert_allclose(found["iou"][name]["interval"], each[i], atol=0.0015)
        assert found["iou"][name]["difference"] == _iou(one)[i] - _iou(two)[i]
    assert list(found["iou"]) == NAMES[:2]


def test_a_small_gain_on_every_picture_is_seen_where_single_intervals_overlap():
    one, two = _counts(40, 0.02), _counts(40)
    (low, _), (_, high) = (bootstrap(c, (0, 1), "skip").miou for c in (one, two))
    assert low < high
    ours, theirs = _scores(one), _scores(two)
    for scores, sign in (((ours, theirs), "higher"), ((theirs, ours), "lower")):
        found = paired_differences(*scores)
        assert {found["miou"]["sign"], found["pixel_accuracy"]["sign"]} == {sign}
    same = paired_differences(ours, ours)["miou"]
    assert same == {"difference": 0, "interval": [0, 0], "sign": "undecided"}


def test_other_mistakes_on_every_picture_are_undecided():
    one, two = _counts(40, seed=1), _counts(40, seed=2)
    found = paired_differences(_scores(one), _scores(two))["miou"]
    assert found["sign"] == "undecided"
    assert found["interval"][0] < 0 < found["interval"][1]


def test_an_absent_class_has_no_difference_and_leaves_the_mean_alone():
    one, two = _counts(9, 0.1), _counts(9)
    for counts in (one, two):
        counts[:, :, 1] = 0
    ours, theirs = _scores(one, 1), _scores(two, 1)
    for scores in (ours, theirs):
        scores["iou"]["pole"] = None
    found = paired_differences(ours, theirs)
    assert found["iou"]["pole"] is None
    assert found["miou"] == found["iou"]["sky"]


def test_without_counts_or_with_one_picture_there_is_none():
    ours = _scores(_counts(5))
    old = copy.deepcopy(ours)
    del old["pictures"][3]["counts"]
    assert paired_differences(ours, old) is None
    single = _scores(_counts(1))
    assert paired_differences(single, single) is None


@pytest.mark.parametrize(
    "counts",
    [
        {"sky": [1, 2]},
        {"sky": [3, 2, 9]},
        {"sky": [-1, 2, 2]},
        {"sky": [1.5, 2, 2]},
        {"sky": [1, 2, 2**60]},
        {"cat": [1, 2, 2]},
        {"sky": None},
        [1, 2],
    ],
)
def test_damaged_counts_are_refused(counts):
    ours = _scores(_counts(5))
    theirs = copy.deepcopy(ours) | {"model": "theirs.keras"}
    theirs["pictures"][2]["counts"] = counts
    with pytest.raises(UserError, match=r"those of theirs\.keras are not"):
        paired_differences(ours, theirs)
