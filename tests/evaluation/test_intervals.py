import numpy as np
import pytest

from hyperseg_tf.evaluation.intervals import bootstrap


def _counts(number, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    labelled = rng.integers(0, 100, (number, classes))
    right = rng.integers(0, labelled + 1)
    predicted = right + rng.integers(0, 30, (number, classes))
    return np.stack([right, labelled, predicted], axis=1)


def _iou(counts):
    right, labelled, predicted = counts.sum(axis=0)
    return right / (labelled + predicted - right)


def test_intervals_are_the_percentiles_of_scores_on_drawn_pictures():
    counts = _counts(40)
    found = bootstrap(counts, (0, 1), "skip")
    rng = np.random.default_rng(7)
    drawn = [_iou(counts[rng.integers(0, 40, 40)]) for _ in range(4000)]
    want = np.quantile(np.mean(np.array(drawn)[:, :2], axis=1), [0.025, 0.975])
    np.testing.assert_allclose(found.miou, want, atol=0.012)
    each = np.quantile(drawn, [0.025, 0.975], axis=0).T
    np.testing.assert_allclose(found.iou, each, atol=0.015)
    accuracy = counts[:, 0].sum() / counts[:, 1].sum()
    assert found.pixel_accuracy[0] < accuracy < found.pixel_accuracy[1]


def test_they_are_the_same_every_time_and_narrower_with_more_pictures():
    counts = _counts(30)
    one, two = (
        bootstrap(counts, (0, 1, 2), "skip"),
        bootstrap(counts, (0, 1, 2), "skip"),
    )
    assert one.miou == two.miou and one.pixel_accuracy == two.pixel_accuracy
    many = bootstrap(np.concatenate([counts] * 9), (0, 1, 2), "skip")
    assert np.ptp(many.miou) < np.ptp(one.miou) / 2


@pytest.mark.slow
def test_about_95_of_100_hold_the_score_of_all_pictures():
    everything = _counts(4000)
    true = _iou(everything).mean()
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(60):
        some = everything[rng.integers(0, 4000, 50)]
        low, high = bootstrap(some, (0, 1, 2), "skip").miou
        held += low <= true <= high
    assert 50 <= held <= 60


def test_absent_classes_follow_the_rule_and_one_picture_has_no_interval():
    counts = _counts(20)
    counts[:, :, 2] = 0
    skip, zero = (bootstrap(counts, (0, 1, 2), absent) for absent in ("skip", "zero"))
    np.testing.assert_allclose(zero.miou, np.array(skip.miou) * 2 / 3)
    assert np.isnan(skip.iou[2]).all() and not np.isnan(skip.iou[:2]).any()
    assert bootstrap(counts[:1], (0, 1), "skip") is None
    assert bootstrap(np.zeros((5, 3, 2), int), (0, 1), "skip") is None
