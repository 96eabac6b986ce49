import numpy as np
import pytest

from hyperseg_tf.evaluation import metrics
from hyperseg_tf.evaluation.tally import Tally, confusion
from tests.evaluation.drawn import maps
from tests.golden import arrays


def _tally(count=4, classes=5):
    tally = Tally(classes)
    pairs = [maps(40 + i, 50 - i, classes, seed=i) for i in range(count)]
    for label, prediction in pairs:
        tally.add(label, prediction)
    return tally, pairs


def test_the_matrix_is_the_reference_s():
    data = arrays("op_confusion_matrix_miou")
    found = sum(
        confusion(t.astype(np.uint8), p.astype(np.uint8), 6)
        for k in range(2)
        for t, p in zip(data[f"target_{k}"], data[f"prediction_{k}"], strict=True)
    )
    np.testing.assert_array_equal(found, data["confusion_rows_target"])


def test_counts_of_pictures_add_up_to_the_matrix():
    tally, pairs = _tally()
    right, labelled, predicted = np.array(tally.pictures).sum(axis=0)
    np.testing.assert_array_equal(right, np.diagonal(tally.matrix))
    np.testing.assert_array_equal(labelled, tally.matrix.sum(axis=1))
    np.testing.assert_array_equal(predicted, tally.matrix.sum(axis=0))
    label, prediction = pairs[2]
    keep = label != 255
    assert tally.pictures[2][0].sum() == (label == prediction)[keep].sum()


@pytest.mark.slow
def test_scores_are_those_of_torchmetrics():
    import torch
    from torchmetrics import F1Score, JaccardIndex, Recall

    tally, pairs = _tally()
    options = {"task": "multiclass", "num_classes": 5, "ignore_index": 255}
    matrix = tally.matrix
    for theirs, average, ours in (
        (JaccardIndex, "none", metrics.iou_per_class(matrix)),
        (JaccardIndex, "macro", metrics.mean_iou(matrix)),
        (JaccardIndex, "weighted", metrics.frequency_weighted_iou(matrix)),
        (F1Score, "none", metrics.dice_per_class(matrix)),
        (Recall, "none", metrics.accuracy_per_class(matrix)),
    ):
        metric = theirs(**options, average=average)
        for label, prediction in pairs:
            metric.update(
                torch.tensor(prediction.astype("int64"))[None],
                torch.tensor(label.astype("int64"))[None],
            )
        np.testing.assert_allclose(ours, metric.compute().numpy(), atol=1e-6)


def test_absent_classes_and_nothing_at_all_are_no_numbers():
    matrix = np.diag([3, 0, 0])
    matrix[0, 2] = 1
    for score in (metrics.iou_per_class, metrics.dice_per_class):
        assert np.isnan(score(matrix)[1]) and score(matrix)[2] == 0
    assert np.isnan(metrics.accuracy_per_class(matrix)[1:]).all()
    assert metrics.frequency_weighted_iou(matrix) == 0.75
    assert np.isnan(metrics.frequency_weighted_iou(np.zeros((3, 3))))


def test_groups_of_classes_are_scored_as_one():
    tally, _ = _tally()
    group = np.array([0, 0, 1, 1, 1])
    joined = np.zeros((2, 2))
    np.add.at(joined, (group[:, None], group[None]), tally.matrix)
    found = metrics.merged(tally.matrix, [[0, 1], [2, 3, 4]])
    np.testing.assert_allclose(found, metrics.iou_per_class(joined))


def test_what_is_no_class_is_refused():
    with pytest.raises(ValueError, match=r"0\.\.1: got 2"):
        Tally(2).add(np.zeros((3, 4), np.uint8), np.full((3, 4), 2, np.uint8))
