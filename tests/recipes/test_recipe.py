import json
from dataclasses import FrozenInstanceError, dataclass, replace

import pytest

import recipes
from hyperseg_tf.base.errors import UserError
from recipes import Recipe, replace_from_strings


@dataclass(frozen=True)
class Blur:
    radius: float


def small(**changes) -> Recipe:
    values = {
        "preset": "tiny",
        "train": (Blur(1.5),),
        "evaluate": (),
        "protocol": "own",
        "epochs": 2,
        "samples_per_epoch": 11,
        "batch_size": 3,
        "learning_rate": 1e-3,
        "power": 0.9,
    }
    return Recipe(**{**values, **changes})


def test_strings_become_values_of_the_field_types():
    changed = replace_from_strings(
        small(weights="imagenet", cache=True),
        [
            "epochs=7",
            "learning_rate=3e-4",
            "betas=0.9, 0.99",
            "weights=none",
            "cache=no",
            "decay=epoch",
            "train_splits=train,val",
            "protocol=a=b",
        ],
    )
    assert changed == small(
        epochs=7,
        learning_rate=3e-4,
        betas=(0.9, 0.99),
        weights=None,
        cache=False,
        decay="epoch",
        train_splits=("train", "val"),
        protocol="a=b",
    )
    assert replace_from_strings(small(), []) == small()
    assert replace_from_strings(small(), ["weights=x.keras"]).weights == "x.keras"


@pytest.mark.parametrize(
    "setting, message",
    [
        ("epochs", "name=value.*'epochs'"),
        ("epoch=3", "no field 'epoch'.*epochs, samples_per_epoch"),
        ("epochs=three", "epochs is a whole number.*'three'"),
        ("epochs=2.5", "epochs is a whole number.*'2.5'"),
        ("epochs=0", "epochs must be at least 1"),
        ("learning_rate=fast", "learning_rate is a number"),
        ("betas=0.9", "betas is 2 values"),
        ("cache=maybe", "cache is yes or no"),
        ("decay=never", "decay is one of step, epoch"),
        ("batch_size=12", "samples_per_epoch=11 and batch_size=12"),
        ("train=Flip", "transforms cannot be set.*recipes/"),
    ],
)
def test_a_wrong_setting_is_one_clear_line(setting, message):
    with pytest.raises(UserError, match=message) as caught:
        replace_from_strings(small(), [setting])
    assert "\n" not in str(caught.value)


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
