import json
from dataclasses import FrozenInstanceError, replace

import pytest

import recipes
from hyperseg_tf.base.errors import UserError
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
        ({"loss": "dice"}, "loss must be one of bootstrapped, cross_entropy"),
        ({"evaluate_split": "vall"}, "evaluate_split must be one of train, val, test"),
        ({"train_splits": ()}, "train_splits must be some of train, val, test"),
        ({"train_splits": ("train", "")}, "train_splits must be some of"),
        ({"batch_size": 12}, "samples_per_epoch=11 and batch_size=12"),
    ],
)
def test_recipe_that_cannot_be_trained_is_refused(changes, rule):
    with pytest.raises(ValueError, match=rule):
        small(**changes)


def test_recipe_as_data_survives_json():
    data = small().as_data()
    assert data["train"] == [{"type": "Blur", "radius": 1.5}]
    assert json.loads(json.dumps(data)) == data


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
    "name, steps", [("camvid12_hyperseg_s", 120_000), ("camvid12_hyperseg_l", 15_000)]
)
def test_published_runs_have_the_published_length(name, steps):
    recipe = recipes.get(name)
    assert recipe.steps_per_epoch * recipe.epochs == steps
    assert (recipe.learning_rate, recipe.power) == (1e-3, 2.0)
    assert replace(recipe, epochs=1).epochs == 1


def _docstring(name):
    import importlib

    module = importlib.import_module(f"recipes.{recipes._MODULE[name]}")
    return getattr(module, name).__doc__
