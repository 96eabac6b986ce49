import keras
import numpy as np
import pytest

from hyperseg_tf.network.model import HyperSeg
from hyperseg_tf.training.optimizer import (
    PartedAdam,
    ScaledLoss,
    averaged_weights,
    backbone_places,
    steps_of,
)
from hyperseg_tf.training.train import train
from tests.training.stopped import Stop, whole_and_in_parts
from tests.training.tiny_run import assert_same_state, build, recipe


def apply(optimizer, steps=3):
    """Two variables after some steps, with equal gradients."""
    variables = [keras.Variable(np.ones(2, "float32")) for _ in range(2)]
    seen = []
    for step in range(steps):
        gradients = [np.full(2, step - 0.5, "float32")] * 2
        optimizer.apply(gradients, variables)
        seen.append([float(v[0]) for v in variables])
    return np.array(seen)


def test_a_part_takes_smaller_steps_and_the_rest_those_of_adam():
    plain = apply(keras.optimizers.Adam(0.1))
    parted = apply(PartedAdam(0.1, part=(1,), part_rate=0.25))
    np.testing.assert_array_equal(parted[:, 0], plain[:, 0])
    np.testing.assert_allclose(1 - parted[:, 1], 0.25 * (1 - plain[:, 1]), rtol=1e-5)


def test_a_frozen_part_starts_when_it_is_freed():
    plain = apply(keras.optimizers.Adam(0.1))
    frozen = apply(PartedAdam(0.1, part=(1,), frozen_steps=2))
    assert list(frozen[:2, 1]) == [1.0, 1.0]
    # Its moments are those of all steps.
    step = plain[2, 0] - plain[1, 0]
    assert frozen[2, 1] - 1 == pytest.approx(step, rel=1e-5)


def test_gradients_are_averaged_over_steps_that_are_counted_one_by_one():
    optimizer = PartedAdam(
        0.1, part=(1,), frozen_steps=3, gradient_accumulation_steps=2
    )
    seen = apply(optimizer, steps=6)
    # Of gradients -0.5, 0.5, ...: their means are 0, 2 and 4.
    assert list(seen[[0, 2, 4], 0]) == [1.0, seen[1, 0], seen[3, 0]]
    plain, means = keras.optimizers.Adam(0.1), []
    variable = keras.Variable(np.ones(2, "float32"))
    for mean in (0, 2, 4):
        plain.apply([np.full(2, mean, "float32")], [variable])
        means.append(float(variable[0]))
    np.testing.assert_allclose(seen[[1, 3, 5], 0], means, rtol=1e-6)
    assert seen[1, 1] == 1.0 > seen[3, 1]
    assert steps_of(optimizer) == 6 and int(optimizer.iterations) == 3


def test_a_step_whose_gradients_overflow_changes_nothing_and_is_counted():
    optimizer = ScaledLoss(PartedAdam(0.1), initial_scale=8.0)
    variable = keras.Variable(np.ones(2, "float32"))
    plain, twin = keras.optimizers.Adam(0.1), keras.Variable(np.ones(2, "float32"))
    optimizer.build([variable])
    for gradient, scale in ((np.inf, 4), (1.0, 4), (np.nan, 2), (-3.0, 2)):
        before = np.asarray(variable)
        now = float(optimizer.dynamic_scale)
        optimizer.apply([np.full(2, gradient * now, "float32")], [variable])
        if np.isfinite(gradient):
            plain.apply([np.full(2, gradient, "float32")], [twin])
        else:
            np.testing.assert_array_equal(variable, before)
        np.testing.assert_allclose(variable, twin, rtol=1e-6)
        assert float(optimizer.dynamic_scale) == scale
    assert steps_of(optimizer) == 4 and optimizer.skipped == 2


@pytest.mark.parametrize("bad", [{"part_rate": -1}, {"frozen_steps": -1}])
def test_negative_numbers_are_refused(bad):
    with pytest.raises(ValueError, match="must be at least 0: got"):
        PartedAdam(0.1, **bad)


def test_the_backbone_is_what_has_weights_of_imagenet():
    model = HyperSeg.from_preset("hyperseg_tiny")
    places = set(backbone_places(model))
    variables = model.trainable_variables
    part = sum(int(np.prod(variables[place].shape)) for place in places)
    layers = model.get_layer("backbone").layers
    own = [layer for layer in layers if not layer.name.startswith("reduce")]
    weights = [v for layer in own for v in layer.trainable_variables]
    assert part == sum(int(np.prod(v.shape)) for v in weights) > 0
    assert len(places) < len(variables)
    assert backbone_places(build("two_layers", 3, None)) == ()


def test_averages_take_the_place_of_what_is_trained_alone():
    model = build("two_layers", 3, None)
    optimizer = PartedAdam(0.1, use_ema=True, ema_momentum=0.5)
    model.compile(optimizer, "mse")
    optimizer.build(model.trainable_variables)
    kernel = model.trainable_variables[0]
    values = []
    for _ in range(3):
        gradients = [np.ones(v.shape, "float32") for v in model.trainable_variables]
        optimizer.apply(gradients, model.trainable_variables)
        values.append(np.asarray(kernel))
    want = 0.5 * (0.5 * (values[0] + values[1])) + 0.5 * values[2]
    found = averaged_weights(model)
    for weight, value in zip(model.weights, found, strict=True):
        if weight is kernel:
            np.testing.assert_allclose(value, want, rtol=1e-5)
        elif not weight.trainable:
            np.testing.assert_array_equal(value, weight)
    model.compile("adam", "mse")
    np.testing.assert_array_equal(averaged_weights(model)[0], kernel)


OPTIONS = {"ema": 0.8, "warmup_steps": 3, "clip_norm": 0.5}


@pytest.mark.slow
def test_a_run_with_all_of_it_goes_on_as_if_never_stopped(data, tmp_path, monkeypatch):
    options = recipe(**OPTIONS)
    whole = train(options, data, tmp_path / "whole", build=build)
    with monkeypatch.context() as patch:
        Stop(patch, 6)
        with pytest.raises(KeyboardInterrupt):
            train(options, data, tmp_path / "run", build=build)
    found = train(options, data, tmp_path / "run", build=build)
    assert_same_state(tmp_path / "run", tmp_path / "whole")
    assert found.best_miou == whole.best_miou
    best, latest = (
        keras.models.load_model(tmp_path / "run" / name)
        for name in ("model.keras", "latest.keras")
    )
    assert np.abs(best.get_weights()[0] - latest.get_weights()[0]).max() > 1e-4


@pytest.mark.parametrize(
    "bad",
    [
        {"warmup_steps": -1},
        {"backbone_rate": -0.1},
        {"frozen_epochs": -1},
        {"ema": 1.0},
        {"clip_norm": 0.0},
    ],
)
def test_recipes_refuse_numbers_out_of_range(bad):
    (name,) = bad
    with pytest.raises(ValueError, match=rf"{name} must be"):
        recipe(**bad)


@pytest.mark.slow
def test_a_run_goes_on_between_two_steps_whose_gradients_are_averaged(
    data, tmp_path, monkeypatch
):
    options = recipe(accumulate=3)
    result = whole_and_in_parts(monkeypatch, options, data, tmp_path)
    plain = train(recipe(), data, tmp_path / "plain", build=build)
    assert [row["lr"] for row in plain.log] == [row["lr"] for row in result.log]
    assert plain.log[0]["loss"] != result.log[0]["loss"]


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_a_run_of_16_bits_learns_and_goes_on_as_if_never_stopped(
    precision, data, tmp_path, monkeypatch
):
    options = recipe(precision=precision, ema=0.8)
    result = whole_and_in_parts(monkeypatch, options, data, tmp_path)
    assert result.log[-1]["loss"] < 0.9 * result.log[0]["loss"]
    assert ("skipped" in result.log[0]) == (precision == "mixed_float16")
