import numpy as np
import pytest

from hyperseg_tf.pipelines.class_tables import ADE20K, CAMVID, CITYSCAPES, VOC
from hyperseg_tf.visualise import (
    distinct,
    distinct_colours,
    drawn_palette,
    palette,
    said_of_colours,
)
from hyperseg_tf.visualise.distinct import _lab


def _closest(table):
    """How far apart the two most alike colours are, lightness counted half."""
    lab = _lab(np.asarray(table)) * (0.5, 1, 1)
    between = np.linalg.norm(lab[:, None] - lab, axis=-1)
    return between[np.triu_indices(len(lab), 1)].min()


def test_cielab_is_that_of_known_colours():
    # sRGB under D65, as colour calculators have them.
    known = {
        (255, 255, 255): (100, 0, 0),
        (255, 0, 0): (53.24, 80.09, 67.20),
        (0, 128, 0): (46.23, -51.70, 49.90),
        (1, 1, 1): (0.27, 0, 0),
    }
    found = _lab(np.array(list(known)))
    np.testing.assert_allclose(found, list(known.values()), atol=0.02)


@pytest.mark.parametrize(
    ("classes", "apart"), [(CAMVID, 26), (CITYSCAPES, 24), (VOC, 23), (ADE20K, 12)]
)
def test_classes_of_the_benchmarks_can_be_told_apart(classes, apart):
    own, drawn = classes.colours, drawn_palette(len(classes), classes.colours)
    assert _closest(own) < apart <= _closest(drawn)
    kept = (drawn == own).all(axis=1)
    assert kept.mean() > 0.6  # Few change.
    # The same in every picture.
    np.testing.assert_array_equal(drawn, drawn_palette(len(classes), own))


def test_pedestrians_of_camvid_are_no_darker_trees():
    drawn = drawn_palette(len(CAMVID), CAMVID.colours)
    tree, pedestrian = (CAMVID.names.index(n) for n in ("tree", "pedestrian"))
    assert tuple(drawn[tree]) == CAMVID.colours[tree]
    assert _closest(drawn[[tree, pedestrian]]) > 40
    assert said_of_colours(CAMVID.names, CAMVID.colours) == (
        "pictures draw fence, pedestrian in colours of their own: those of the data "
        "are too like other classes'"
    )


def test_colours_that_can_be_told_apart_stay_as_they_are():
    own = [(200, 0, 0), (0, 200, 0), (0, 0, 200), None]
    np.testing.assert_array_equal(drawn_palette(4, own), palette(4, own))
    assert said_of_colours("abcd", own) is None


@pytest.mark.parametrize("num_classes", [1, 8, 32, 255])
def test_made_up_colours_are_told_apart_as_far_as_there_is_room(num_classes):
    drawn = drawn_palette(num_classes)
    assert drawn.shape == (num_classes, 3)
    if num_classes > 1:
        assert _closest(drawn) >= min(26, 26 * (16 / num_classes) ** (1 / 3)) - 1e-9
    # Nobody gave them, so nobody misses them.
    assert said_of_colours([str(i) for i in range(num_classes)], None) is None


def test_one_colour_for_all_classes_leaves_it_to_one():
    own = [(90, 90, 90)] * 12
    drawn = drawn_palette(12, own)
    assert _closest(drawn) >= 26 and (drawn == 90).all(axis=1).sum() == 1
    assert said_of_colours([f"c{i}" for i in range(12)], own).count(", ") == 4


@pytest.mark.parametrize("count", [1, 7, 20, 254])
def test_made_up_colours_differ_in_every_eye_and_from_those_that_are_there(count):
    taken = [(0, 0, 0), (230, 159, 0)]
    colours = distinct_colours(count, taken)
    assert len({*colours, *taken}) == count + 2
    if count > 20:
        return
    table = np.array([*colours, *taken], np.uint8)
    for eyes in distinct._EYES:
        labs = distinct._lab_of(distinct._seen(table, eyes))
        apart = distinct._distances(labs, labs) + 1e3 * np.eye(len(table))
        assert apart.min() > (8 if count <= 7 else 4), apart.min()
