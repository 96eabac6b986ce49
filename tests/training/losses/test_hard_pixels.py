import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from hyperseg_tf.training.losses import BootstrappedCrossEntropy
from tests.golden import arrays


def draw(shape, classes, void_share=0.2, seed=0, scale=2.0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, shape)
    labels[rng.random(shape) < void_share] = 255
    logits = scale * rng.normal(size=(*shape, classes))
    return labels.astype("uint8"), logits.astype("float32")


def pixel_losses(labels, logits):
    shifted = logits.astype("float64") - logits.max(axis=-1, keepdims=True)
    picked = np.where(labels == 255, 0, labels)[..., None]
    nll = (
        np.log(np.exp(shifted).sum(-1))
        - np.take_along_axis(shifted, picked, -1)[..., 0]
    )
    return [loss[label != 255] for loss, label in zip(nll, labels, strict=True)]


def expected(labels, logits, k, threshold):
    result = []
    for losses in pixel_losses(labels, logits):
        hard = losses[losses > threshold]
        largest = np.sort(losses)[::-1][:k]
        chosen = hard if len(hard) >= min(k, len(losses)) else largest
        result.append(chosen.mean() if len(chosen) else 0.0)
    return np.array(result)


def golden_cases():
    data = arrays("op_bootstrapped_cross_entropy")
    return data, json.loads(str(data["cases_json"]))


@pytest.mark.parametrize("index", range(10))
def test_release_golden_value_and_gradient(index):
    data, cases = golden_cases()
    assert len(cases) == 10
    case = cases[index]
    loss_fn = BootstrappedCrossEntropy(
        case["k"], case["thresh"], case["ignore_index"], released_arithmetic=True
    )
    logits = tf.constant(data[f"{case['tag']}/logits"].transpose(0, 2, 3, 1))
    labels = data[f"{case['tag']}/target"]
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = loss_fn(labels, logits)
    gradient = tape.gradient(loss, logits).numpy().transpose(0, 3, 1, 2)
    if case["loss"] is None:  # the release crashes; here every pixel counts
        want = case["plain_cross_entropy_mean"]
        np.testing.assert_allclose(loss, want, rtol=1e-5)
        return
    np.testing.assert_allclose(loss, case["loss"], rtol=1e-5)
    want = data[f"{case['tag']}/grad_logits"]
    np.testing.assert_allclose(gradient, want, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("k", [1, 7, 40, 77, 1000])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 2.0, 50.0])
def test_mean_of_hard_pixels_or_of_the_k_largest(k, threshold):
    labels, logits = draw((3, 7, 11), 5)
    loss = BootstrappedCrossEntropy(k, threshold, reduction=None)(labels, logits)
    np.testing.assert_allclose(loss, expected(labels, logits, k, threshold), rtol=1e-5)


def test_void_pixels_have_no_influence_and_no_gradient():
    labels, logits = draw((2, 7, 9), 4, void_share=0.5)
    changed = logits + 100 * (labels == 255)[..., None] * np.arange(4, dtype="float32")
    loss_fn = BootstrappedCrossEntropy(k=1000)
    gradients, losses = [], []
    for x in (tf.constant(logits), tf.constant(changed)):
        with tf.GradientTape() as tape:
            tape.watch(x)
            losses.append(loss_fn(labels, x))
        gradients.append(tape.gradient(losses[-1], x).numpy())
    assert losses[0] == losses[1]
    np.testing.assert_array_equal(*gradients)
    assert not gradients[0][labels == 255].any()
    assert gradients[0][labels != 255].any()


def test_image_without_valid_pixels_contributes_zero():
    labels, logits = draw((2, 5, 7), 3)
    labels[1] = 255
    each = BootstrappedCrossEntropy(k=4, reduction=None)(labels, logits).numpy()
    assert each[0] > 0 and each[1] == 0
    x = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = BootstrappedCrossEntropy(k=4)(np.full_like(labels, 255), x)
    assert loss == 0
    assert not tape.gradient(loss, x).numpy().any()


def test_easy_and_hard_images_in_one_batch():
    labels, logits = draw((2, 9, 7), 4, void_share=0)
    logits[0] = 20 * np.eye(4)[labels[0]]
    each = BootstrappedCrossEntropy(k=5, reduction=None)(labels, logits)
    np.testing.assert_allclose(
        each, expected(labels, logits, 5, 0.3), rtol=1e-5, atol=1e-7
    )


@pytest.mark.slow
def test_sizes_may_be_unknown():
    loss_fn = BootstrappedCrossEntropy(k=20, threshold=1.5)
    signature = [tf.TensorSpec([None] * 3, tf.uint8), tf.TensorSpec([None] * 3 + [5])]

    @tf.function(input_signature=signature)
    def graph(labels, logits):
        loss = loss_fn(labels, logits)
        return loss, tf.gradients(loss, logits)[0]

    for shape in [(1, 3, 5), (3, 7, 11)]:
        labels, logits = draw(shape, 5)
        loss, gradient = graph(labels, logits)
        np.testing.assert_allclose(
            loss, expected(labels, logits, 20, 1.5).mean(), rtol=1e-5
        )
        assert np.isfinite(gradient).all()


def test_half_precision_logits_are_scored_in_float32():
    labels, logits = draw((1, 64, 97), 6)
    half = tf.cast(logits, "bfloat16")
    loss = BootstrappedCrossEntropy()(labels, half)
    assert loss.dtype == tf.float32
    want = expected(labels, tf.cast(half, "float32").numpy(), 4096, 0.3).mean()
    np.testing.assert_allclose(loss, want, rtol=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("k", [1, 30])
def test_one_broken_pixel_breaks_the_loss(value, k):
    labels, logits = draw((2, 5, 7), 3, void_share=0)
    logits[0, 2, 3] = value
    assert np.isnan(BootstrappedCrossEntropy(k)(labels, logits))


def test_config_round_trip():
    loss_fn = BootstrappedCrossEntropy(7, 0.5, void=254, released_arithmetic=True)
    config = keras.losses.serialize(loss_fn)
    copy = keras.losses.deserialize(json.loads(json.dumps(config)))
    assert copy.get_config() == loss_fn.get_config()


@pytest.mark.parametrize("arguments", [{"k": 0}, {"threshold": -0.1}])
def test_impossible_arguments_are_refused(arguments):
    with pytest.raises(ValueError, match="must be at least"):
        BootstrappedCrossEntropy(**arguments)
