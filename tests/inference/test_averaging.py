import keras
import numpy as np
import pytest
from keras import ops

from hyperseg_tf.inference.averaging import mean_of, mirrored
from hyperseg_tf.inference.passes import Passes
from hyperseg_tf.inference.segmenter import Segmenter


@pytest.fixture(scope="module")
def model():
    """A network whose logits depend on what lies around a pixel."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 9, padding="same", activation="tanh")(inputs)
    return keras.Model(inputs, keras.layers.Conv2D(3, 1)(x))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (2, 64, 100, 3), np.uint8)


def softmax(logits):
    return np.asarray(ops.softmax(logits, axis=-1))


@pytest.mark.parametrize("flip", ["mean", "max"])
def test_the_mirror_image_counts_like_the_picture(model, images, flip):
    one = Segmenter(model)
    here, there = one.logits(images), one.logits(images[:, :, ::-1])[:, :, ::-1]
    found = Segmenter(model, passes=Passes(flip=flip)).logits(images)
    if flip == "max":
        np.testing.assert_array_equal(found, np.maximum(here, there))
    else:
        want = (softmax(here) + softmax(there)) / 2
        np.testing.assert_allclose(softmax(found), want, atol=1e-6)
    again = Segmenter(model, passes=Passes(flip=flip)).logits(images[:, :, ::-1])
    np.testing.assert_allclose(again[:, :, ::-1], found, atol=1e-5)


def test_scales_average_probabilities_at_the_pictures_size(model, images):
    scales = (0.5, 1.0, 1.5)
    each = [
        Segmenter(model, None if s == 1 else (int(64 * s), int(100 * s))).logits(images)
        for s in scales
    ]
    found = Segmenter(model, passes=Passes(scales=scales)).logits(images)
    assert found.shape == each[0].shape
    want = np.mean([softmax(logits) for logits in each], axis=0)
    np.testing.assert_allclose(softmax(found), want, atol=1e-5)
    # Of what is resized anyhow, multiples of that size.
    of = Segmenter(model, (128, 200), Passes(scales=(0.5,)))
    np.testing.assert_array_equal(of.logits(images), Segmenter(model).logits(images))


def test_certain_logits_stay_finite():
    sure = ops.convert_to_tensor(np.array([[[[500.0, 0.0, -500.0]]]], "float32"))
    found = np.asarray(mean_of([sure, sure]))
    assert np.isfinite(found).all() and found.argmax() == 0
    assert mean_of([sure]) is sure


def test_one_pass_is_the_network_alone(images):
    calls = []
    assert mirrored(lambda x: calls.append(x) or 7, images, "none") == 7
    assert len(calls) == 1 and calls[0] is images
