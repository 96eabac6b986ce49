import numpy as np
import pytest
import tensorflow as tf

from hyperseg_tf.network.batch_norm import BatchNorm


def _layer():
    norm = BatchNorm(momentum=0.9, epsilon=1e-5)
    norm.build((None, None, None, 3))
    norm.gamma.assign([1.0, 2.0, -1.0])
    norm.beta.assign([0.0, 0.5, 1.0])
    return norm


def test_training_normalises_with_the_biased_and_stores_the_unbiased_variance():
    x = np.random.default_rng(0).normal(2, 3, size=(1, 2, 3, 3)).astype("float32")
    norm = _layer()
    y = np.asarray(norm(x, training=True))
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    gamma, beta = np.asarray(norm.gamma), np.asarray(norm.beta)
    expected = (x - mean) / np.sqrt(variance + 1e-5) * gamma + beta
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(norm.moving_mean, 0.1 * mean, rtol=1e-4)
    want = 0.9 + 0.1 * x.var((0, 1, 2), ddof=1)
    np.testing.assert_allclose(norm.moving_variance, want, rtol=1e-4)


def test_inference_uses_the_stored_statistics_and_keeps_them():
    norm = _layer()
    norm.moving_mean.assign([1.0, 0.0, -1.0])
    norm.moving_variance.assign([4.0, 1.0, 0.25])
    x = np.ones((1, 2, 2, 3), "float32")
    y = np.asarray(norm(x, training=False))[0, 0, 0]
    np.testing.assert_allclose(y, [0.0, 2.5, -3.0], atol=1e-4)
    np.testing.assert_array_equal(norm.moving_mean, [1.0, 0.0, -1.0])


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_keeps_statistics_in_float32(dtype):
    norm = BatchNorm(dtype=dtype)
    x = np.random.default_rng(1).normal(size=(2, 4, 5, 3)).astype("float32")
    y = norm(tf.cast(x, norm.compute_dtype), training=True)
    assert y.dtype == norm.compute_dtype
    assert norm.moving_variance.dtype == "float32"
    np.testing.assert_allclose(
        norm.moving_mean, 0.01 * x.mean((0, 1, 2)), rtol=0.05, atol=1e-4
    )
