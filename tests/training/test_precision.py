"""Runs whose maps have 16 bits."""

import keras
import pytest

from hyperseg_tf.training.model import build_model, compile_model
from hyperseg_tf.training.optimizer import ScaledLoss, averaged_weights
from hyperseg_tf.training.train import train
from tests.training.test_train import Stop
from tests.training.tiny_run import assert_same_run, build, recipe


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_maps_have_16_bits_and_weights_and_the_copy_have_32(precision):
    options = recipe(precision=precision, ema=0.9)
    model, _ = build_model(options, 3, build)
    compile_model(model, options)
    assert model.layers[1].compute_dtype == precision.removeprefix("mixed_")
    assert {weight.dtype for weight in model.trainable_weights} == {"float32"}
    assert keras.config.dtype_policy().name == "float32"
    assert isinstance(model.optimizer, ScaledLoss) == (precision == "mixed_float16")
    averages = averaged_weights(model)
    assert [a.shape for a in averages] == [w.shape for w in model.weights]


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_it_learns_and_goes_on_as_if_never_stopped(
    precision, data, tmp_path, monkeypatch
):
    options = recipe(precision=precision, ema=0.8)
    for name, stops in (("whole", ()), ("parts", (2, 7))):
        for step in stops:
            with monkeypatch.context() as patch:
                Stop(patch, step)
                with pytest.raises(KeyboardInterrupt):
                    train(options, data, tmp_path / name, _build_model=build)
        result = train(options, data, tmp_path / name, _build_model=build)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")
    assert result.log[-1]["loss"] < 0.9 * result.log[0]["loss"]
    assert ("skipped" in result.log[0]) == (precision == "mixed_float16")
