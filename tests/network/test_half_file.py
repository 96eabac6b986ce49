"""A file of half the size: the same model, its kernels rounded to float16."""

import keras
import numpy as np
import pytest

import hyperseg_tf
from hyperseg_tf import HyperSeg, UserError
from hyperseg_tf.network.half_file import save_half


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    model = HyperSeg.from_preset("hyperseg_tiny")
    model.set_metadata({"classes": [f"class {i}" for i in range(11)]})
    return model


@pytest.mark.slow
def test_kernels_are_rounded_and_the_rest_is_kept(model, tmp_path):
    whole, half = tmp_path / "whole.keras", tmp_path / "half.keras"
    model.save(whole)
    save_half(model, half)
    assert half.stat().st_size < 0.6 * whole.stat().st_size
    loaded = hyperseg_tf.load(half)
    assert loaded.metadata == model.metadata
    assert len(loaded.weights) == len(model.weights)
    for ours, given in zip(loaded.weights, model.weights, strict=True):
        expected = np.asarray(given)
        if expected.ndim > 1:
            expected = expected.astype("float16").astype("float32")
        assert ours.dtype == given.dtype
        np.testing.assert_array_equal(np.asarray(ours), expected, err_msg=given.path)


@pytest.mark.slow
def test_the_optimizer_of_a_compiled_model_is_left_out(model, tmp_path):
    copy = HyperSeg.from_config(model.get_config())
    copy.compile(keras.optimizers.Adam(), "mse")
    copy.optimizer.build(copy.trainable_variables)
    save_half(model, tmp_path / "bare.keras")
    save_half(copy, tmp_path / "compiled.keras")
    sizes = [(tmp_path / f"{n}.keras").stat().st_size for n in ("bare", "compiled")]
    assert sizes[1] < 1.05 * sizes[0]
    hyperseg_tf.load(tmp_path / "compiled.keras")


@pytest.mark.slow
@pytest.mark.parametrize("value", [7e4, float("inf")])
def test_a_kernel_beyond_the_range_is_refused(model, tmp_path, value):
    copy = HyperSeg.from_config(model.get_config())
    kernel = next(w for w in copy.weights if len(w.shape) > 1)
    values = np.array(kernel)
    values.flat[3] = -value
    kernel.assign(values)
    with pytest.raises(UserError, match="float16 up to 65504: .* has"):
        save_half(copy, tmp_path / "half.keras")
    assert not list(tmp_path.iterdir())
