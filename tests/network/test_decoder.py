import json

import numpy as np
import pytest
import tensorflow as tf

from hyperseg_tf.network.decoder import Level
from hyperseg_tf.network.weight_head import WeightHead
from hyperseg_tf.ops.block import coordinates, fuse
from tests.golden import arrays
from tests.implementations import IMPLEMENTATIONS, MANY_SIZES
from tests.layouts import OPERATION, nchw, nhwc

HALOS = {"hyperseg_v1_0": "patch", "hyperseg_v0_1": "neighbour"}
NORM = ("weight", "bias", "running_mean", "running_var")


def _level(case, gold, implementation):
    """The block of one golden case, its weight head if it has one, its inputs."""
    key = f"case{case['case']}/"
    level = Level(
        case["c_out"],
        kernel_size=3,
        expand_ratio=case["expand"],
        halo=HALOS[case["reference_module"]],
        positions=False,
        implementation=implementation,
    )
    x, weights = nhwc(gold[key + "x"]), nhwc(gold[key + "weights"])
    head = None
    if case["signal_channels"]:
        channels = case["signal_channels"]
        head = WeightHead(case["hyper_parameters"], case["groups"], 0, channels)
        head.build(weights.shape)
        head.kernel.assign(gold[key + "signal2weights"][:, :, 0, 0].T)
    level.build([x.shape, (*weights.shape[:3], case["hyper_parameters"])])
    for i, norm in enumerate(level.norms, start=1):
        norm.set_weights([gold[f"{key}bn{i}_{name}"] for name in NORM])
    return key, level, head, x, weights


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("implementation", MANY_SIZES)
def test_inverted_residual_matches_the_reference(implementation, mode):
    gold = arrays("op_patch_inverted_residual")
    cases = json.loads(str(gold["cases_json"]))
    assert len(cases) == 6
    for case in cases:
        key, level, head, x, weights = _level(case, gold, implementation)
        x, weights = tf.constant(x), tf.constant(weights)
        variables = {
            f"bn{i}_{name}": variable
            for i, norm in enumerate(level.norms, start=1)
            for name, variable in (("weight", norm.gamma), ("bias", norm.beta))
        }
        if head:
            variables["signal2weights"] = head.kernel
        with tf.GradientTape() as tape:
            tape.watch([x, weights])
            generated = head(weights) if head else weights
            y = level([x, generated], training=mode == "train")
            total = tf.reduce_sum(y * nhwc(gold[key + "loss_factors"]))
        values = [v.value for v in variables.values()]
        gradients = tape.gradient(total, [x, weights, *values])
        found = {
            "y": nchw(y),
            "grad_x": nchw(gradients[0]),
            "grad_weights": nchw(gradients[1]),
            **{f"grad_{n}": g for n, g in zip(variables, gradients[2:], strict=True)},
        }
        for name, value in found.items():
            want = gold[f"{key}{mode}_{name}"]
            if name == "grad_signal2weights":
                value, want = np.asarray(value).T, want[:, :, 0, 0]
            np.testing.assert_allclose(
                value, want, **OPERATION, err_msg=f"{key}{mode} {name}"
            )
        if mode == "train":
            _check_running_statistics(level, gold, key)


def _check_running_statistics(level, gold, key):
    for i, norm in enumerate(level.norms, start=1):
        for name, variable in (
            ("mean", norm.moving_mean),
            ("var", norm.moving_variance),
        ):
            want = gold[f"{key}train_bn{i}_running_{name}_after"]
            np.testing.assert_allclose(
                variable, want, **OPERATION, err_msg=f"{key}bn{i} {name}"
            )


def test_coordinates_run_from_minus_one_to_one_x_first():
    place = np.asarray(coordinates(3, 5))[0]
    np.testing.assert_allclose(place[0, :, 0], [-1, -0.5, 0, 0.5, 1])
    np.testing.assert_allclose(place[:, 0, 1], [-1, 0, 1])
    np.testing.assert_array_equal(np.asarray(coordinates(1, 1)), np.zeros((1, 1, 1, 2)))


def test_fuse_orders_coordinates_feature_previous():
    feature = np.full((2, 4, 6, 3), 7, "float32")
    previous = np.full((2, 2, 3, 1), 9, "float32")
    fused = np.asarray(fuse(feature, previous))
    assert fused.shape == (2, 4, 6, 6)
    np.testing.assert_array_equal(fused[0, ..., :2], np.asarray(coordinates(4, 6))[0])
    assert (fused[..., 2:5] == 7).all()
    assert (fused[..., 5] == 9).all()


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS[1:])
def test_implementations_agree_in_training_a_pointwise_level(implementation):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(2, 6, 9, 5)).astype("float32")
    weights = rng.normal(size=(2, 2, 3, 7 * 7)).astype("float32")
    found, want = (Level(7, implementation=i) for i in (implementation, "einsum"))
    np.testing.assert_allclose(
        found([x, weights], training=True),
        want([x, weights], training=True),
        **OPERATION,
    )
    for name in ("moving_mean", "moving_variance"):
        np.testing.assert_allclose(
            getattr(found.norms[0], name), getattr(want.norms[0], name), **OPERATION
        )


def test_a_level_that_is_not_trainable_keeps_its_statistics():
    level = Level(2, implementation="slices")
    inputs = [np.ones((1, 4, 4, 3), "float32"), np.ones((1, 2, 2, 10), "float32")]
    level(inputs)
    level.trainable = False
    level(inputs, training=True)
    np.testing.assert_array_equal(level.norms[0].moving_mean, [0, 0])


def test_too_few_weights_are_refused():
    with pytest.raises(ValueError, match="needs weights 3 to 13 of each patch: got 12"):
        Level(2, start=3)([np.ones((1, 4, 4, 3)), np.ones((1, 2, 2, 12))])
