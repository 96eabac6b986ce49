import numpy as np
import pytest

from hyperseg_tf.visualise import Compared, compared, overlay, places
from hyperseg_tf.visualise.comparison import RIGHT, WRONG

NAMES, COLOURS = ("a", "b", "c"), ((200, 0, 0), (0, 200, 0), (0, 0, 200))


def _row(height=5, width=7, title="street.png", seed=0):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, width, 3)).astype("uint8")
    label, found = rng.integers(0, 2, (2, height, width)).astype("uint8")
    label[0] = 255
    return Compared(image, label, found, title)


def _views(picture, rows):
    at = places(rows)
    return [
        [
            picture[top : top + row.image.shape[0], left : left + row.image.shape[1]]
            for left in at.lefts
        ]
        for top, row in zip(at.tops, rows, strict=True)
    ]


def test_every_column_shows_what_it_is_called():
    rows = [_row(), _row(13, 9, seed=1)]
    picture = compared(rows, NAMES, COLOURS)
    for row, views in zip(rows, _views(picture, rows), strict=True):
        image, label, found, errors = views
        np.testing.assert_array_equal(image, row.image)
        np.testing.assert_array_equal(label, overlay(row.image, row.label, COLOURS))
        np.testing.assert_array_equal(
            found, overlay(row.image, row.prediction, COLOURS)
        )
        np.testing.assert_array_equal(errors[0], row.image[0])  # void is bare
        wrong = (row.label != row.prediction)[1:]
        colour = 2 * errors[1:].astype(int) - row.image[1:]  # half image, half colour
        assert np.abs(colour[wrong] - WRONG).max() <= 1
        assert np.abs(colour[~wrong] - RIGHT).max() <= 1


def test_names_and_titles_stand_above_the_pictures():
    rows = [_row(40, 300)]
    at, picture = places(rows), compared(rows, NAMES, COLOURS)
    header = picture[: at.line]
    for left in at.lefts:
        assert (header[:, left : left + 60] < 128).any()
    assert (picture[at.line : at.tops[0], :100] < 128).any()


def test_void_is_in_the_legend_where_it_occurs(monkeypatch):
    listed = []
    monkeypatch.setattr(
        "hyperseg_tf.visualise.comparison.with_legend",
        lambda picture, names, colours, size: listed.append(names) or picture,
    )
    row = _row()
    compared([row], NAMES, COLOURS)
    compared([Compared(row.image, row.prediction, row.prediction, "")], NAMES, COLOURS)
    assert listed == [
        ("a", "b", "(void: bare image)", "(right)", "(wrong)"),
        ("a", "b", "(right)", "(wrong)"),
    ]


@pytest.mark.parametrize("title", ["x" * 5000, "", "a\nb\x1b[0m", "\u8857"])
def test_any_title_fits(title):
    rows = [_row(title=title)]
    assert compared(rows, NAMES, COLOURS).shape[1] >= places(rows).width
