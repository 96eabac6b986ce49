"""One batch, one gradient and three steps of HyperSeg-S as in the released code."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from hyperseg_tf import HyperSeg
from hyperseg_tf.convert.released import entries as released
from hyperseg_tf.training.losses import BootstrappedCrossEntropy
from tests.golden import arrays, state_dict
from tests.layouts import nchw, nhwc

LOSS = BootstrappedCrossEntropy(released_arithmetic=True)


@pytest.fixture(scope="module")
def gold():
    return arrays("train_step_camvid_hyperseg_s")


@pytest.fixture(scope="module")
def built():
    model = HyperSeg.from_preset("hyperseg_s_camvid", backbone_padding="static")
    for layer in model.get_layer("backbone").layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
    return model


@pytest.fixture
def model(built):
    released.assign(built, state_dict("camvid_hyperseg_s"))
    return built


def _loss_and_gradients(model, gold, training=True):
    labels = gold["target"].astype("int32")
    with tf.GradientTape() as tape:
        logits = model(nhwc(gold["image"]), training=training)
        loss = LOSS(labels, logits)
    return float(loss), logits, tape, loss


@pytest.mark.slow
def test_first_loss_logits_gradients_and_statistics(model, gold):
    value, logits, tape, loss = _loss_and_gradients(model, gold)
    np.testing.assert_allclose(value, gold["sgd_train_losses_float32"][0], rtol=1e-5)
    want = gold["step0_logits_stride3"]
    found = nchw(logits)[:, :, ::3, ::3]
    assert np.abs(found - want).max() <= 4e-4 * np.abs(want).max()

    entries = {entry.name: entry for entry in released.entries(model)}
    names = [str(name) for name in gold["parameter_names"]]
    assert len(names) == 346
    gradients = tape.gradient(loss, [entries[name].variable.value for name in names])
    norms = gold["step0_grad_norm_float32"]
    slack = 5e-3 * (norms + 1e-4 * np.sqrt(np.sum(norms**2)))
    compared = 0
    for name, gradient, norm, allowed in zip(
        names, gradients, norms, slack, strict=True
    ):
        gradient = np.asarray(gradient)
        assert abs(np.linalg.norm(gradient) - norm) <= allowed, name
        if f"step0_grad/{name}" in gold.files:
            exact = entries[name].to_keras(gold[f"step0_grad/{name}"])
            assert np.linalg.norm(gradient - exact) <= allowed, name
            compared += 1
    assert compared == 80
    buffers = [key for key in gold.files if key.startswith("step0_buffer_after/")]
    assert len(buffers) == 32
    for key in buffers:
        variable = entries[key.removeprefix("step0_buffer_after/")].variable
        np.testing.assert_allclose(
            variable, gold[key], rtol=1e-4, atol=2e-5, err_msg=key
        )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "optimizer", "tolerances"),
    [
        ("sgd", lambda rate: keras.optimizers.SGD(rate), (1e-4, 1e-3, 3e-3)),
        (
            "adam",
            lambda rate: keras.optimizers.Adam(
                1e-3, beta_1=0.5, beta_2=0.999, epsilon=1e-8
            ),
            (3e-3, 2e-2, 4e-2),
        ),
    ],
)
def test_three_steps_follow_the_reference(model, gold, name, optimizer, tolerances):
    optimizer = optimizer(float(gold["sgd_lr"]))
    variables = model.trainable_variables
    losses = []
    for _ in range(3):
        value, _, tape, loss = _loss_and_gradients(model, gold)
        losses.append(value)
        gradients = tape.gradient(loss, [v.value for v in variables])
        optimizer.apply(gradients, variables)
    # The last train-mode pass moves the running statistics, so evaluate before it.
    evaluated, *_ = _loss_and_gradients(model, gold, training=False)
    losses.append(_loss_and_gradients(model, gold)[0])
    want = gold[f"{name}_train_losses_float32"]
    for found, expected, rtol in zip(losses[1:], want[1:], tolerances, strict=True):
        np.testing.assert_allclose(found, expected, rtol=rtol)
    after = gold[f"{name}_eval_loss_after_steps_float64"]
    np.testing.assert_allclose(evaluated, after, rtol=tolerances[-1])
