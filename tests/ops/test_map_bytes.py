import numpy as np
import pytest
import tensorflow as tf

from hyperseg_tf.ops import build, map_bytes

pytestmark = pytest.mark.ops


@pytest.mark.parametrize("shape", [(), (0, 3), (7, 13), (2, 3, 5)])
def test_bytes_are_looked_up_with_and_without_the_op(shape, monkeypatch):
    rng = np.random.default_rng(0)
    table = rng.permutation(256).astype(np.uint8)
    x = rng.integers(0, 256, shape).astype(np.uint8)
    again = tf.constant(x)
    for has in (True, False):
        monkeypatch.setattr(map_bytes, "has_ops", lambda has=has: has)
        found = tf.function(map_bytes.map_bytes)(again, tf.constant(table))
        np.testing.assert_array_equal(found, table[x])
    # The output may take the place of an input that nobody else needs; not of this one.
    np.testing.assert_array_equal(again, x)


def test_a_table_is_256_bytes():
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"shape \[256\]"):
        build.load().map_bytes(
            x=tf.zeros((3,), tf.uint8), table=tf.zeros(255, tf.uint8)
        )
