import functools

import numpy as np
import pytest
import tensorflow as tf

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.inference import segmenter
from hyperseg_tf.inference.passes import Passes
from hyperseg_tf.inference.segmenter import Segmenter, best_classes, open_model
from tests.tiny_segmenter import by_brightness, random_hyperseg


@pytest.fixture(scope="module")
def model():
    return random_hyperseg()


@pytest.fixture(scope="module")
def segmenter_of(model):
    """Segmenters of the model by image size, each folded once."""
    return functools.cache(lambda image_size: Segmenter(model, image_size))


def _pictures(*shape):
    return np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)


@pytest.mark.parametrize("classes", [1, 2, 3, 12, 19, 256])
def test_the_best_class_is_numpys_argmax_and_of_equal_ones_the_first(classes):
    rng = np.random.default_rng(classes)
    # Few different values, so most pixels have several largest ones.
    logits = rng.integers(-2, 3, (2, 7, 13, classes)).astype("float32")
    logits[0, 0] = 0.0
    logits[0, 1, :, ::2] = -0.0
    logits[0, 2] = -np.inf
    found = best_classes(tf.constant(logits))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, logits.argmax(axis=-1).astype(np.uint8))


@pytest.mark.slow
@pytest.mark.parametrize("image_size", [None, (64, 96), (33, 40)])
@pytest.mark.parametrize("size", [(5, 7), (37, 41), (33, 40)])
def test_maps_have_the_pictures_size_and_are_the_best_of_its_logits(
    segmenter_of, image_size, size
):
    images = _pictures(2, *size)
    of = segmenter_of(image_size)
    logits, label = of.logits(images), of.class_maps(images)
    assert logits.dtype == np.float32 and logits.shape == (2, *size, 3)
    assert label.dtype == np.uint8
    np.testing.assert_array_equal(label, logits.argmax(axis=-1))


def test_logits_are_those_of_the_model(model):
    images = _pictures(1, 40, 70)
    reference = Segmenter.__new__(Segmenter)
    reference._call = lambda x: model.with_implementation("einsum")(x, training=False)
    reference.image_size, reference.passes = None, Passes()
    expected = reference.logits(images)
    found = Segmenter(model).logits(images)
    # The mean: single pixels of a random network magnify rounding errors.
    assert np.abs(found - expected).mean() < 1e-4 * np.ptp(expected)


def test_all_sizes_share_one_trace_of_what_is_good_for_any(monkeypatch):
    asked = []

    class Foldable:
        def fold(self, implementation):
            asked.append(implementation)
            return by_brightness()

    monkeypatch.setattr(segmenter.choice, "for_any_size", lambda: "einsum")
    of = Segmenter(Foldable())
    assert asked == ["einsum"]
    for size in ((5, 7), (33, 70), (64, 32)):
        assert of.class_maps(_pictures(1, *size)).shape == (1, *size)
    assert of._call.experimental_get_tracing_count() == 1


@pytest.mark.slow
def test_later_weights_of_the_model_are_not_seen():
    model = random_hyperseg()
    of, images = Segmenter(model), _pictures(1, 32, 33)
    before = of.logits(images)
    model.set_weights([0 * w for w in model.get_weights()])
    np.testing.assert_array_equal(of.logits(images), before)


def test_a_model_that_is_no_hyperseg_is_taken_as_it_is():
    images = np.full((1, 9, 14, 3), 10, np.uint8)
    images[:, :, 5:] = 240
    label = Segmenter(by_brightness()).class_maps(images)
    np.testing.assert_array_equal(label, images[..., 0] > 100)


def test_pictures_are_uint8_batches(model):
    for wrong in (np.zeros((4, 4, 3), np.uint8), np.zeros((1, 4, 4, 3), np.float32)):
        with pytest.raises(ValueError, match="uint8 RGB"):
            Segmenter(model).class_maps(wrong)


@pytest.mark.slow
def test_a_model_is_opened_by_its_path(model, tmp_path):
    assert open_model(model) is model
    model.save(tmp_path / "model.keras")
    assert open_model(str(tmp_path / "model.keras")).preset == model.preset
    with pytest.raises(UserError, match="nowhere"):
        open_model(tmp_path / "nowhere.keras")


def test_a_shorter_side_keeps_the_shape_and_is_bounded():
    seen = []

    def model(images):
        seen.append(tuple(images.shape[1:3]))
        return images

    call = Segmenter(by_brightness(), 64)
    call._call = model
    for size in ((128, 192), (192, 128), (40, 64), (1, 4000), (4000, 1)):
        logits = call.logits(np.zeros((1, *size, 3), "uint8"))
        assert logits.shape[1:3] == size
    # Sides are padded to 32 pixels at least.
    assert seen == [(64, 96), (96, 64), (64, 102), (32, 512), (512, 32)]


@pytest.mark.slow
@pytest.mark.ops
@pytest.mark.parametrize("size", [(64, 96), (33, 70), (5, 7)])
def test_maps_made_at_once_are_those_of_the_logits(segmenter_of, size):
    call = segmenter_of(None)
    assert call._maps is not None
    images = _pictures(2, *size)
    classes, confidence = call.confident_maps(images)
    logits = call.logits(images).astype("float64")
    found = np.take_along_axis(logits, classes[..., None].astype(int), -1)[..., 0]
    spread = np.ptp(logits)
    assert classes.shape == (2, *size)
    assert (found >= logits.max(axis=-1) - 1e-5 * spread).all()
    each = np.exp(logits - logits.max(axis=-1, keepdims=True)).sum(axis=-1)
    np.testing.assert_allclose(confidence, 1 / each, rtol=1e-3)
    np.testing.assert_array_equal(call.class_maps(images), classes)
