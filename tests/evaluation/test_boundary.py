import cv2
import numpy as np
import pytest

from hyperseg_tf.evaluation.boundary import boundary_counts, outline
from tests.evaluation.drawn import maps


def by_erosion(mask, distance):
    """As the authors of boundary IoU make it: a mask without its eroded inside."""
    padded = np.pad(mask.astype(np.uint8), 1)
    inside = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=distance)
    return mask & ~inside[1:-1, 1:-1].astype(bool)


@pytest.mark.parametrize("distance", [1, 2, 3, 7, 12, 40])
@pytest.mark.parametrize("size", [(1, 9), (13, 29), (61, 83)])
def test_outlines_are_masks_without_their_eroded_inside(size, distance):
    label, _ = maps(*size)
    found = outline(label, distance)
    for k in np.unique(label):
        mask = label == k
        np.testing.assert_array_equal(found & mask, by_erosion(mask, distance))


def test_counts_are_those_of_the_masks():
    label, prediction = maps()
    distance, valid = 2, label != 255
    found = boundary_counts(label, prediction, 5, width=distance / np.hypot(61, 83))
    for k in range(5):
        ours = by_erosion(label == k, distance) & valid
        theirs = by_erosion(prediction == k, distance) & valid
        want = (ours & theirs).sum(), ours.sum(), theirs.sum()
        assert tuple(found[:, k]) == want


def test_a_thick_object_off_by_little_is_right_by_area_and_wrong_at_its_outline():
    label = np.zeros((200, 200), np.uint8)
    label[50:150, 50:150] = 1
    moved = np.roll(label, 5, 0)
    both, ours, theirs = boundary_counts(label, moved, 2)[:, 1]
    area = 95 / 105
    # 6 pixels wide: 2 % of the diagonal.
    assert ours == theirs == 100**2 - 88**2
    assert both / (ours + theirs - both) < 0.6 < 0.9 < area


def test_it_is_one_pixel_at_least():
    label = np.zeros((9, 9), np.uint8)
    assert boundary_counts(label, label, 1)[0, 0] == 81 - 49
