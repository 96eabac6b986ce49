import json
import re
from dataclasses import FrozenInstanceError, replace

import keras
import pytest
import tensorflow as tf

from hyperseg_tf import presets, protocols, recipes
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.pipelines import KerasLayer
from hyperseg_tf.pipelines.transforms import compose
from tests.recipes.small import small


@pytest.mark.parametrize(
    "changes, rule",
    [
        ({"epochs": 0}, "epochs must be at least 1: got 0"),
        ({"learning_rate": 0.0}, "learning_rate must be positive"),
        ({"power": float("nan")}, "power must be positive: got nan"),
        ({"overlays": -1}, "overlays must be at least 0"),
        ({"betas": (0.5, 1.0)}, "betas must be in 0..1"),
        ({"norm_momentum": 1.0}, "norm_momentum must be in 0..1"),
        ({"loss": "hinge"}, "loss must be one or several of bootstrapped, cross_ent"),
        ({"loss": ()}, "loss must be one or several of"),
        ({"loss": ("dice", "dice")}, "loss must be one or several of"),
        ({"loss_factors": (-1.0,)}, "loss_factors must be positive"),
        ({"loss_factors": (1.0, 2.0)}, "one factor: got .* for loss=bootstrapped"),
        ({"loss_gamma": -1.0}, "loss_gamma must be at least 0"),
        ({"loss_probability": 1.0}, "loss_probability must be in 0..1"),
        ({"loss_class_weights": (0.0, 0.0)}, "loss_class_weights must be balanced"),
        (
            {"loss": ("dice", "lovasz"), "loss_class_weights": "balanced"},
            "weigh pixels.* for loss=dice, lovasz; .* add one of bootstrapped",
        ),
        ({"evaluate_split": "vall"}, "evaluate_split must be one of train, val, test"),
        ({"train_splits": ()}, "train_splits must be some of train, val, test"),
        ({"train_splits": ("train", "")}, "train_splits must be some of"),
        ({"batch_size": 12}, "samples_per_epoch=11 and batch_size=12"),
    ],
)
def test_recipe_that_cannot_be_trained_is_refused(changes, rule):
    with pytest.raises(ValueError, match=rule):
        small(**changes)


class Sampler:
    """What a layer of keras-cv draws by."""

    def get_config(self):
        return {"lower": 1, "inner": [self.__class__.__name__, {"upper": (2, 3)}]}


def test_what_a_layer_is_made_of_is_data_too():
    (data,) = small(train=(Sampler(),)).as_data()["train"]
    inner = ["Sampler", {"upper": [2, 3]}]
    assert data == {"type": "Sampler", "lower": 1, "inner": inner}


def test_recipe_as_data_survives_json():
    data = small().as_data()
    assert data["train"] == [{"type": "Blur", "radius": 1.5}]
    assert json.loads(json.dumps(data)) == data


def test_a_layer_of_keras_in_a_recipe_survives_json():
    layer = keras.layers.RandomShear(0.1, fill_mode="constant")
    data = small(train=(KerasLayer(layer),)).as_data()
    (written,) = json.loads(json.dumps(data))["train"]
    assert written["type"] == "KerasLayer"
    assert written["layer"]["type"] == "RandomShear"
    assert written["layer"]["fill_mode"] == "constant"


def test_recipes_cannot_be_changed_in_place():
    with pytest.raises(FrozenInstanceError):
        small().epochs = 3


def test_surplus_samples_make_no_step():
    assert small().steps_per_epoch == 3


def test_unknown_names_are_answered_with_the_known_ones():
    with pytest.raises(
        UserError, match="demo, own_folder, camvid11_hyperseg_s.*'camvid'"
    ):
        recipes.get("camvid")


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_is_complete_and_can_be_written(name):
    recipe = recipes.get(name)
    assert json.loads(json.dumps(recipe.as_data())) == recipe.as_data()
    assert "hyperseg-tf train " + name in _docstring(name)


@pytest.mark.parametrize(
    "name, steps, rate, power, said",
    [
        ("camvid12_hyperseg_s", 120_000, 1e-3, 2.0, "78.4 % 38.0 FPS 9.9 M"),
        ("camvid12_hyperseg_l", 15_000, 1e-3, 2.0, "79.1 % 16.6 FPS 10.2 M"),
        ("cityscapes_hyperseg_m", 90_000, 1e-3, 0.9, "76.2 % 75.8 % 36.9 FPS 10.1 M"),
        ("cityscapes_hyperseg_s", 90_000, 1e-3, 0.9, "78.2 % 78.1 % 16.1 FPS 10.2 M"),
        ("voc_hyperseg_l", 100_000, 1e-4, 3.0, "80.6 % 26.8 FPS 39.6 M"),
    ],
)
def test_published_runs_have_the_published_numbers(name, steps, rate, power, said):
    recipe = recipes.get(name)
    assert recipe.steps_per_epoch * recipe.epochs == steps
    assert (recipe.learning_rate, recipe.power) == (rate, power)
    assert recipe.replacement
    header = " ".join(_docstring(name).split())
    assert all(number in header for number in re.findall(r"[\d.]+ \S+", said))
    assert replace(recipe, epochs=1).epochs == 1


@pytest.mark.parametrize(
    "name, order",
    [
        ("voc_hyperseg_l", "RandomFlip ColourJitter RandomScale RandomRotate PadTo"),
        ("cityscapes_hyperseg_s", "RandomScale RandomCrop RandomFlip ColourJitter"),
    ],
)
def test_published_transforms_come_in_the_published_order(name, order):
    recipe = recipes.get(name)
    assert [type(t).__name__ for t in recipe.train] == [*order.split(), "Normalise"]
    presets.get(recipe.preset)
    protocols.get(recipe.protocol)
    # Every picture of the data, scaled or not, ends in one size.
    size = {"voc_hyperseg_l": (500, 333)}.get(name, (1024, 2048))
    sample = {
        "image": tf.zeros((*size, 3), tf.uint8),
        "label": tf.zeros(size, tf.uint8),
    }
    found = compose(recipe.train)(sample, tf.constant([1, 2], tf.int64))
    wanted = (512, 512) if name == "voc_hyperseg_l" else (768, 768)
    assert found["image"].shape == (*wanted, 3)


def _docstring(name):
    import importlib

    module = importlib.import_module(f"hyperseg_tf.recipes.{recipes._MODULE[name]}")
    return getattr(module, name).__doc__
