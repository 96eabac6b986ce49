"""Keras' layers as transforms: in step, void, stateless, or refused."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from hyperseg_tf.pipelines import KerasLayer
from tests.pipelines.layers_as_transforms import check_colours, check_in_step, scene

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


@pytest.mark.slow
@pytest.mark.parametrize("name", GEOMETRIC)
def test_image_and_label_stay_in_step_and_what_is_filled_is_void(name):
    layer = GEOMETRIC[name]()
    fills = getattr(layer, "fill_mode", "") == "constant"
    check_in_step(layer, fills, varies=name != "resizing")


@pytest.mark.parametrize("name", COLOURS)
def test_colours_change_and_the_label_does_not(name):
    check_colours(COLOURS[name]())


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
