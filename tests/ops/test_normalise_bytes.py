import numpy as np
import pytest
import tensorflow as tf

from hyperseg_tf.base import pixels
from hyperseg_tf.ops import build, normalise_bytes

pytestmark = pytest.mark.ops


@pytest.mark.parametrize("shape", [(1, 3), (5, 7, 3), (2, 31, 13, 3), (0, 4, 4, 3)])
def test_bits_are_those_of_pixels_with_and_without_the_op(shape, monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    for has in (True, False):
        monkeypatch.setattr(normalise_bytes, "has_ops", lambda has=has: has)
        for way in (
            normalise_bytes.normalise_bytes,
            tf.function(normalise_bytes.normalise_bytes),
        ):
            found = way(tf.constant(images))
            assert found.dtype == tf.float32 and found.shape == shape
            np.testing.assert_array_equal(found, pixels.normalise(images))


@pytest.mark.parametrize(
    ("shape", "mean"), [((4, 4), (3,)), ((), (3,)), ((4, 3), (4,))]
)
def test_what_does_not_fit_is_refused(shape, mean):
    with pytest.raises(tf.errors.InvalidArgumentError, match="must"):
        build.load().normalise_bytes(
            x=tf.zeros(shape, tf.uint8), mean=tf.zeros(mean), scale=tf.zeros(3)
        )
