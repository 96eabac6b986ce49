import pytest

from hyperseg_tf.base.duration import duration


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (99.4, "99 s"),
        (99.6, "2 min"),
        (59.4 * 60, "59 min"),
        (59.6 * 60, "1 h 00 min"),
        (3 * 3600 + 5 * 60, "3 h 05 min"),
        (47 * 3600, "47 h 00 min"),
        (52 * 3600 + 60, "2 d 4 h"),
    ],
)
def test_a_time_is_said_in_its_two_largest_units(seconds, said):
    assert duration(seconds) == said
