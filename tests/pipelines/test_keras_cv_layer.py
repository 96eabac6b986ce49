"""keras-cv's layers as transforms; what holds for Keras' own holds for them."""

import json

import numpy as np
import pytest
import tensorflow as tf

from hyperseg_tf.pipelines import KerasLayer
from tests.needed import needed
from tests.pipelines.layers_as_transforms import check_colours, check_in_step, scene
from tests.recipes.small import small

# Importing keras-cv alone takes many seconds.
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True, scope="module")
def _keras_cv():
    """keras-cv and its layers, imported where a test runs, not where it is listed."""
    global keras_cv, L
    keras_cv = needed("keras_cv")
    L = keras_cv.layers


GEOMETRIC = {
    "flip": lambda: L.RandomFlip("horizontal_and_vertical"),
    "rotation": lambda: L.RandomRotation(0.1, fill_mode="constant"),
    "rotation of classes": lambda: L.RandomRotation(
        0.1, fill_mode="constant", segmentation_classes=2
    ),
    "zoom": lambda: L.RandomZoom((0.1, 0.4), fill_mode="constant", fill_value=40.0),
    "translation": lambda: L.RandomTranslation(0.3, 0.2, fill_mode="constant"),
    "shear": lambda: L.RandomShear(0.2, 0.2, fill_mode="constant"),
    "reflected": lambda: L.RandomTranslation(0.3, 0.2, fill_mode="reflect"),
    "crop and resize": lambda: L.RandomCropAndResize((20, 33), (0.4, 0.9), (0.8, 1.2)),
    "jittered": lambda: L.JitteredResize((37, 41), (0.5, 1.2)),
    "resizing": lambda: L.Resizing(17, 50),
    "choice": lambda: L.RandomChoice(
        [L.RandomFlip("vertical"), L.RandomTranslation(0.3, 0.2, "constant")]
    ),
    "apply": lambda: L.RandomApply(L.RandomTranslation(0.3, 0.2, "constant"), 0.7),
}
COLOURS = {
    "brightness": lambda: L.RandomBrightness(0.3),
    "contrast": lambda: L.RandomContrast((0, 255), 0.5),
    "hue": lambda: L.RandomHue(0.2, (0, 255)),
    "saturation": lambda: L.RandomSaturation((0.2, 0.8)),
    "normal saturation": lambda: L.RandomSaturation(
        keras_cv.core.NormalFactorSampler(0.5, 0.2, 0.0, 1.0)
    ),
    "jitter": lambda: L.RandomColorJitter((0, 255), 0.3, 0.3, 0.3, 0.2),
    "sharpness": lambda: L.RandomSharpness(0.5, (0, 255)),
    "channel shift": lambda: L.RandomChannelShift((0, 255), 0.3),
    "blur": lambda: L.RandomGaussianBlur(3, (0.5, 0.9)),
    "grey": lambda: L.Grayscale(3),
    "posterization": lambda: L.Posterization((0, 255), 3),
}


@pytest.mark.parametrize("name", GEOMETRIC)
def test_image_and_label_stay_in_step_and_what_is_filled_is_void(name):
    layer = GEOMETRIC[name]()
    fills = getattr(layer, "fill_mode", "") == "constant" or name == "jittered"
    check_in_step(layer, fills, varies=name != "resizing")


@pytest.mark.parametrize("name", COLOURS)
def test_colours_change_and_the_label_does_not(name):
    check_colours(COLOURS[name]())


@pytest.mark.parametrize("name", ["rotation", "jittered", "choice"])
def test_draws_follow_from_the_seed_alone(name):
    one, other = (
        KerasLayer(GEOMETRIC[name]()),
        tf.function(KerasLayer(GEOMETRIC[name]())),
    )
    seen = set()
    for n in (1, 2, 1, 3):
        a = one(scene(), tf.constant([9, n]))["image"].numpy()
        b = other(scene(), tf.constant([9, n]))["image"].numpy()
        assert a.shape == b.shape and np.abs(a.astype(int) - b).mean() < 0.1
        seen.add(a.tobytes())
    assert len(seen) == 3


def test_the_layer_is_as_it_was_afterwards():
    layer = L.RandomRotation(0.1, segmentation_classes=7)
    other = L.RandomSaturation((0.2, 0.8))
    before = dict(vars(layer)), dict(vars(other))
    for one in (layer, other):
        KerasLayer(one)(scene(), tf.constant([1, 2]))
    assert vars(layer).keys() == before[0].keys()
    for name in ("segmentation_classes", "interpolation", "_random_generator"):
        assert vars(layer)[name] is before[0][name]
    assert other.factor is before[1]["factor"]


def own_draws():
    """A flip that draws from the state of TensorFlow."""

    class OwnDraws(L.RandomFlip):
        def get_random_transformation_batch(self, batch_size, **kwargs):
            flips = tf.random.uniform((batch_size, 1))
            return {"flip_horizontals": flips, "flip_verticals": tf.zeros_like(flips)}

    return OwnDraws()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: L.MixUp(), "MixUp: it blends"),
        (lambda: L.FourierMix(), "FourierMix: it blends"),
        (lambda: L.AugMix((0, 255)), "AugMix: it blends"),
        (lambda: L.CutMix(), "CutMix: it needs a batch"),
        (lambda: L.Mosaic(), "Mosaic: it needs a batch"),
        (lambda: L.RandomCutout(0.5, 0.5), "RandomCutout: it leaves the label"),
        (lambda: L.GridMask(), "GridMask: it leaves the label"),
        (lambda: L.RandomCrop(9, 9), "RandomCrop: it blends .* pipelines.RandomCrop"),
        (lambda: L.RandAugment((0, 255)), "RandAugment: it hides"),
        (lambda: L.RandomApply(L.GridMask()), "GridMask: it leaves the label"),
        (lambda: L.RandomAspectRatio((0.5, 0.8)), "RandomAspectRatio fails, "),
        (own_draws, "OwnDraws makes two things of the same"),
        (lambda: L.RandomFlip(dtype="float16"), "RandomFlip computes in float16"),
    ],
)
def test_layers_that_treat_labels_wrongly_are_refused(make, said):
    with pytest.raises(ValueError, match=said):
        KerasLayer(make())


def test_a_recipe_with_such_layers_can_be_written_down():
    layer = L.RandomChoice([L.RandomSaturation((0.2, 0.8)), L.RandomFlip("vertical")])
    data = small(train=(KerasLayer(layer),)).as_data()
    inner = json.loads(json.dumps(data))["train"][0]["layer"]["layers"]
    assert inner[0]["factor"]["type"] == "UniformFactorSampler"
    assert inner[1] == {**inner[1], "type": "RandomFlip", "mode": "vertical"}
