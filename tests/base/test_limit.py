import tensorflow as tf

from hyperseg_tf.base.limit import Limit


def test_padded_sides_count():
    limit = Limit(12_000_000, multiple=64)
    assert limit.holds(3008, 3968) and not limit.holds(3009, 3968)
    assert not limit.holds(1, 12_000_000) and not limit.holds(12_000_000, 1)
    assert Limit(64 * 64, 64).holds(1, 1) and not Limit(64 * 64 - 1, 64).holds(1, 1)


def test_sides_count_where_pixels_do_not():
    limit = Limit(10**9, multiple=1, side=7)
    assert limit.holds(7, 7) and not limit.holds(1, 8) and not limit.holds(8, 1)


def test_tensors_are_padded_like_integers():
    limit = Limit(1, multiple=64)
    for size in ((1, 1), (64, 65), (65_535, 65_535)):
        padded = limit.padded(*tf.constant(size, tf.int64))
        assert padded.dtype == tf.int64 and int(padded) == limit.padded(*size)
