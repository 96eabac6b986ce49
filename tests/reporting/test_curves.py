import math

import pytest

from hyperseg_tf.reporting.axes import scale
from hyperseg_tf.reporting.curves import Line, chart


def test_a_line_breaks_where_a_value_is_not_finite():
    points = [(1, 2.0), (2, 1.0), (3, math.nan), (4, math.inf), (5, 3.0), (6, 2.0)]
    page = chart("loss", [Line("training", points)])
    assert page.count("<polyline") == 2
    assert page.count("<circle") == 4
    assert "nan" not in page and "inf" not in page


def test_the_best_epoch_is_marked_where_it_lies():
    points = [(1, 0.0), (2, 1.0), (3, 0.5)]
    page = chart("mIoU", [Line("run", points, best=2)], best=2)
    # The middle between 52 and 426.
    assert '<line x1="239.0" x2="239.0"' in page
    assert page.count('r="5"') == 1 and "best epoch, 2" in page


@pytest.mark.parametrize("value", [1e308, -1e308, math.nan])
def test_a_chart_without_a_number_to_draw_says_so(value):
    assert "no finite number" in chart("loss", [Line("a", [(1, value)])])


@pytest.mark.parametrize("values", [[0.0], [5e-324, 1e99], [-7.0, -7.0], [1e-9, 3e-9]])
def test_every_range_has_a_scale_with_ticks(values):
    made = scale(values, 300, 20)
    assert 1 <= len(made.ticks()) <= 12
    assert all(20 <= made(value) <= 300 for value in values)


def test_a_logarithmic_scale_has_equal_ratios_equally_far_apart():
    made = scale([2.0, 200.0], 0, 100, logarithmic=True)
    assert made(20) - made(2) == pytest.approx(made(200) - made(20), abs=0.2)
    assert set(made.ticks()) == {2, 5, 10, 20, 50, 100, 200}
