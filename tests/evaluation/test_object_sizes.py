import numpy as np
import pytest
from scipy import ndimage

from hyperseg_tf.evaluation import metrics, object_sizes
from hyperseg_tf.evaluation.object_sizes import iou_by_size, objects, size_counts
from hyperseg_tf.evaluation.tally import confusion
from tests.evaluation.drawn import maps


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (7, 13), (61, 83)])
@pytest.mark.parametrize("classes", [2, 5])
def test_objects_are_connected_regions_corners_included(size, classes):
    rng = np.random.default_rng(0)
    for label in (maps(*size, classes)[0], rng.integers(0, classes, size, np.uint8)):
        run, run_class, of_run = objects(label)
        np.testing.assert_array_equal(run_class[run], label)
        found = of_run[run]
        for k in np.unique(label):
            want, count = ndimage.label(label == k, np.ones((3, 3)))
            pairs = np.unique(np.stack([want, found])[:, label == k], axis=1)
            assert pairs.shape[1] == count == len(np.unique(pairs[1]))


def test_a_spiral_is_one_object():
    label = np.zeros((21, 21), np.uint8)
    top, left, bottom, right = 0, 0, 20, 20
    while top <= bottom and left <= right:
        label[top, left : right + 1] = 1
        label[top : bottom + 1, right] = 1
        label[bottom, left + 2 : right + 1] = 1
        label[top + 4 : bottom + 1, left + 2] = 1
        top, left, bottom, right = top + 4, left + 4, bottom - 4, right - 4
    run, run_class, of_run = objects(label)
    assert len(np.unique(of_run[run][label == 1])) < 5  # joined late, far apart


def test_counts_by_hand():
    label = np.zeros((120, 150), np.uint8)
    label[:10, :10] = 1  # small, half of it found
    label[20:60, 20:60] = 1  # medium, found
    label[70:, 60:] = 255
    prediction = (label == 1).astype(np.uint8)
    prediction[:5, :10] = 0
    prediction[100:, :10] = 1  # a false alarm of 200 pixels
    right, there = size_counts(label, prediction, 2)
    assert there.tolist() == [[0, 100], [0, 1600], [120 * 150 - 50 * 90 - 1700, 0]]
    assert right.tolist() == [[0, 50], [0, 1600], [there[2, 0] - 200, 0]]
    iou = iou_by_size(np.stack([right, there]), confusion(label, prediction, 2))
    share = 1 + 200 / 1700
    np.testing.assert_allclose(iou[:2, 1], [0.5 / share, 1 / share])
    assert np.isnan(iou[2, 1]) and np.isnan(iou[0, 0])


def test_the_mean_by_pixels_of_all_sizes_is_the_iou(monkeypatch):
    monkeypatch.setattr(object_sizes, "LIMITS", (30, 200))
    counts, matrix = 0, 0
    for seed in range(3):
        label, prediction = maps(seed=seed)
        counts = counts + size_counts(label, prediction, 5)
        matrix = matrix + confusion(label, prediction, 5)
    iou, there = iou_by_size(counts, matrix), counts[1]
    assert (there.sum(axis=1) > 0).all()
    mean = (np.nan_to_num(iou) * there).sum(axis=0) / there.sum(axis=0)
    np.testing.assert_allclose(mean, metrics.iou_per_class(matrix))
