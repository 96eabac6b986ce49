"""Keras' layers as transforms: in step, void, stateless, or refused."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipelines import KerasLayer

L = keras.layers
GEOMETRIC = {
    "flip": lambda: L.RandomFlip("horizontal"),
    "rotation": lambda: L.RandomRotation(0.1, fill_mode="constant"),
    "zoom": lambda: L.RandomZoom((0.1, 0.4), fill_mode="constant", fill_value=40.0),
    "translation": lambda: L.RandomTranslation(0.3, 0.2, fill_mode="constant"),
    "shear": lambda: L.RandomShear(0.2, 0.2, fill_mode="constant"),
    "reflected": lambda: L.RandomTranslation(0.3, 0.2, fill_mode="reflect"),
    "perspective": lambda: L.RandomPerspective(1.0, 0.2),
    "resizing": lambda: L.Resizing(17, 50),
}
COLOURS = {
    "brightness": lambda: L.RandomBrightness(0.3),
    "contrast": lambda: L.RandomContrast(0.5),
    "jitter": lambda: L.RandomColorJitter(
        brightness_factor=0.3, contrast_factor=0.3, hue_factor=0.2
    ),
    "blur": lambda: L.RandomGaussianBlur(),
}


def scene():
    """A bright square where the label says 1, some of it void, on 30."""
    label = np.zeros((31, 45), np.uint8)
    label[8:22, 12:33] = 1
    image = np.where(label[..., None] == 1, 220, 30).astype(np.uint8)
    label[8:11, 12:15] = 255
    image = np.repeat(image, 3, axis=2)
    return {"image": tf.constant(image), "label": tf.constant(label)}


@pytest.mark.parametrize("name", GEOMETRIC)
def test_image_and_label_stay_in_step_and_what_is_filled_is_void(name):
    layer = GEOMETRIC[name]()
    transform = tf.function(KerasLayer(layer))
    looks = set()
    for n in range(6):
        out = {k: v.numpy() for k, v in transform(scene(), tf.constant([3, n])).items()}
        image, label = out["image"][..., 0].astype(int), out["label"]
        assert out["image"].dtype == label.dtype == np.uint8
        assert image.shape == label.shape and set(np.unique(label)) <= {0, 1, 255}
        known = label != 255
        assert ((image > 125) == (label == 1))[known].mean() > 0.93
        fill = getattr(layer, "fill_value", 0)
        if getattr(layer, "fill_mode", "") == "constant":
            filled = image == fill
            assert (label[filled] == 255).sum() >= 0.9 * filled.sum()
        looks.add(label.tobytes())
    assert len(looks) > 1 or name == "resizing"


@pytest.mark.parametrize("name", COLOURS)
def test_colours_change_and_the_label_does_not(name):
    transform, sample = KerasLayer(COLOURS[name]()), scene()
    noise = np.random.default_rng(0).integers(0, 256, (31, 45, 3)).astype(np.uint8)
    sample["image"] = tf.constant(noise)
    outs = [transform(sample, tf.constant([5, n])) for n in range(6)]
    assert any((out["image"].numpy() != noise).any() for out in outs)
    for out in outs:
        np.testing.assert_array_equal(out["label"], sample["label"])


@pytest.mark.parametrize("layer", [GEOMETRIC["rotation"], COLOURS["jitter"]])
def test_draws_follow_from_the_seed_alone(layer):
    one, other = KerasLayer(layer()), tf.function(KerasLayer(layer()))
    seen = set()
    for n in (1, 2, 1, 3):
        a = one(scene(), tf.constant([9, n]))["image"].numpy()
        b = other(scene(), tf.constant([9, n]))["image"].numpy()
        assert np.abs(a.astype(int) - b).max() <= 1
        seen.add(a.tobytes())
    assert len(seen) == 3


class Blend(L.RandomFlip):
    """A mask that is averaged."""

    def transform_segmentation_masks(self, segmentation_masks, *args, **kwargs):
        shifted = tf.roll(segmentation_masks, 1, axis=-2)
        return (segmentation_masks + shifted) / 2


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: L.MixUp(), "MixUp: it blends"),
        (lambda: L.AugMix(), "AugMix: it blends"),
        (lambda: L.CutMix(), "CutMix: it needs a batch"),
        (lambda: L.RandomErasing(), "RandomErasing: it leaves the label"),
        (lambda: L.RandomCrop(9, 9), "RandomCrop: it blends .* pipelines.RandomCrop"),
        (lambda: L.RandomGrayscale(0.5), "RandomGrayscale fails, AttributeError"),
        (lambda: type("Mine", (L.RandomErasing,), {})(1.0), "Mine changes a part"),
        (lambda: Blend(), "Blend makes"),
        (lambda: L.Dense(3), "got Dense"),
        (lambda: L.RandomFlip(dtype="float16"), "RandomFlip computes in float16"),
    ],
)
def test_layers_that_treat_labels_wrongly_are_refused(make, said):
    with pytest.raises(ValueError, match=said):
        KerasLayer(make())
