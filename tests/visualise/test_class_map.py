import subprocess
import sys

import numpy as np
import pytest

from hyperseg_tf import visualise

COLOURS = [(128, 128, 128), (128, 0, 0), None]


def test_colourise_paints_every_class_and_void_black():
    label = np.array([[0, 1, 255], [2, 1, 0]], np.uint8)
    painted = visualise.colourise(label, COLOURS)
    assert painted.dtype == np.uint8 and painted.shape == (2, 3, 3)
    assert painted[0, 0].tolist() == [128, 128, 128]
    assert painted[0, 1].tolist() == [128, 0, 0]
    assert painted[0, 2].tolist() == [0, 0, 0]
    assert painted[1, 0].tolist() == visualise.palette(3, COLOURS)[2].tolist()


@pytest.mark.parametrize("strange", [3, 254])
def test_colourise_names_a_class_without_a_colour(strange):
    with pytest.raises(ValueError, match=str(strange)):
        visualise.colourise(np.array([[0, strange]], np.uint8), COLOURS)


def test_colourise_refuses_logits():
    with pytest.raises(ValueError, match="argmax"):
        visualise.colourise(np.zeros((2, 2, 3), np.float32), COLOURS)


def test_default_palette_has_distinct_colours_and_no_black():
    table = visualise.palette(255)
    assert len({tuple(row) for row in table.tolist()}) == 255
    assert table.max(axis=1).min() > 0
    # Colours given for some classes do not change the made-up ones of others.
    mixed = visualise.palette(5, [None, (1, 2, 3), None, None, None])
    np.testing.assert_array_equal(mixed[[0, 2, 3, 4]], table[[0, 2, 3, 4]])


def test_palette_never_makes_up_a_colour_that_is_taken():
    taken = tuple(int(value) for value in visualise.palette(2)[1])
    table = visualise.palette(2, [taken, None])
    assert table[1].tolist() != list(taken)


def test_palette_refuses_wrong_colours():
    with pytest.raises(ValueError, match="300"):
        visualise.palette(1, [(0, 300, 0)])
    with pytest.raises(ValueError, match="2 colours"):
        visualise.palette(3, [None, None])


def test_overlay_blends_classes_and_leaves_void_alone():
    image = np.full((1, 3, 3), 200, np.uint8)
    label = np.array([[0, 1, 255]], np.uint8)
    mixed = visualise.overlay(image, label, [(0, 0, 0), (100, 200, 0)], alpha=0.25)
    assert mixed[0].tolist() == [[150] * 3, [175, 200, 150], [200] * 3]
    assert (image == 200).all()
    floats = visualise.overlay(
        image.astype("float32"), label, [(0, 0, 0), (100, 200, 0)], alpha=0.25
    )
    np.testing.assert_array_equal(floats, mixed)


def test_overlay_refuses_two_sizes():
    with pytest.raises(ValueError, match="one size"):
        visualise.overlay(np.zeros((2, 3, 3), np.uint8), np.zeros((3, 2), int), COLOURS)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 13), (360, 480), (90, 3000)])
def test_legend_keeps_the_picture_and_shows_every_colour(height, width):
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    names = ["sky", "a rather long class name", "x" * 30]
    out = visualise.with_legend(image, names, COLOURS)
    np.testing.assert_array_equal(out[:height, :width], image)
    strip = out[height:].reshape(-1, 3)
    for colour in visualise.palette(3, COLOURS):
        assert (strip == colour).all(axis=1).sum() >= 100  # a swatch of 10 x 10
    assert (strip == 0).all(axis=1).any()  # text
    # Nothing is cut off: a white border on all sides of the strip.
    assert (out[height:, -1] == 255).all() and (out[-1] == 255).all()


def test_legend_wraps_into_rows_for_many_classes():
    image = np.zeros((50, 200, 3), np.uint8)
    names = [f"class {index}" for index in range(100)]
    out = visualise.with_legend(image, names, [None] * 100)
    assert out.shape[1] == 200
    assert out.shape[0] > 50 + 25 * 12


def test_classes_in_leaves_out_void():
    assert visualise.classes_in(np.array([[3, 255], [0, 3]], np.uint8), 11) == [0, 3]


def test_visualise_needs_no_tensorflow():
    code = "import sys, hyperseg_tf.visualise; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
