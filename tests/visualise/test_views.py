"""Overlays, contours and pictures beside them, readable at any size."""

import numpy as np
import pytest

from hyperseg_tf import visualise
from hyperseg_tf.visualise import VIEWS, drawn, enlargement, overlay, shades

COLOURS = [(200, 0, 0), (0, 200, 0)]


def _halves(height, width):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (height, width, 3), np.uint8)
    label = np.zeros((height, width), np.uint8)
    label[:, width // 2 :] = 1
    label[:3] = 255
    return image, label


@pytest.mark.parametrize(
    ("size", "factor"),
    [((1, 1), 16), ((9, 14), 16), ((64, 64), 4), ((100, 255), 2), ((256, 8), 1)],
)
def test_small_pictures_are_enlarged_by_whole_factors(size, factor):
    assert enlargement(size) == factor


@pytest.mark.parametrize("size", [(20, 33), (300, 400)])
def test_every_pixel_of_an_overlay_is_that_of_the_picture_enlarged(size):
    image, label = _halves(*size)
    factor = enlargement(size)
    expected = overlay(image, label, COLOURS, 0.3)
    found = drawn(image, label, COLOURS, alpha=0.3)
    assert found.shape == (factor * size[0], factor * size[1], 3)
    np.testing.assert_array_equal(found[::factor, ::factor], expected)
    np.testing.assert_array_equal(found[factor - 1 :: factor, ::factor], expected)
    beside = drawn(image, label, COLOURS, "beside", 0.3)
    np.testing.assert_array_equal(beside[:, -found.shape[1] :], found)
    np.testing.assert_array_equal(beside[::factor, : found.shape[1] : factor], image)


@pytest.mark.parametrize("height", [300, 960])
def test_contours_lie_at_borders_alone_in_the_colour_of_their_side(height):
    image, label = _halves(height, 400)
    found = drawn(image, label, COLOURS, "contours", 0.5)
    changed = (found != image).any(axis=-1)
    width = max(1, round(min(label.shape) / 240))
    assert not changed[:3].any()  # void
    below = changed[20:]
    assert below[:, 200 - width : 200 + width].mean() > 0.9
    assert not below[:, : 200 - width].any() and not below[:, 200 + width :].any()
    assert (found[20:, 199] == COLOURS[0]).all() and (
        found[20:, 200] == COLOURS[1]
    ).all()
    assert changed[3 : 3 + width, 10:50].mean() > 0.9


def test_without_weight_nothing_is_drawn():
    image, label = _halves(300, 400)
    for view in ("overlay", "contours"):
        np.testing.assert_array_equal(drawn(image, label, COLOURS, view, 0), image)


def test_another_view_is_refused():
    with pytest.raises(ValueError, match="one of overlay, beside, contours: got 'x'"):
        drawn(*_halves(4, 4), COLOURS, "x")
    assert set(VIEWS) == {"overlay", "beside", "contours"}
    assert visualise.drawn is drawn


def test_probabilities_are_shades():
    found = shades(np.array([[0.0, 0.5, 1.0, 1.0000001]], np.float32))
    assert found.dtype == np.uint8 and found.tolist() == [[0, 128, 255, 255]]
