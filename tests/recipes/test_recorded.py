import json

import pytest

from hyperseg_tf import recipes
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.recipes import recipe_from_data


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_comes_back_from_json(name):
    recipe = recipes.get(name)
    assert recipe_from_data(json.loads(json.dumps(recipe.as_data()))) == recipe


def changed(**changes):
    return {**recipes.get("demo").as_data(), **changes}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([], "a recipe is its fields by name: got"),
        (changed(colour=1), "got .'colour'.; it was written by another version"),
        (changed(epochs="many"), "epochs of a recipe must be right: .*: got 'many'"),
        (changed(epochs=0), "epochs must be at least 1"),
        (changed(train=3), "train of a recipe is a list: got 3"),
        (changed(train=[{"type": "open"}]), "one of hyperseg_tf's pipelines: got"),
        (changed(train=["RandomFlip"]), "one of hyperseg_tf's pipelines: got"),
        (changed(train=[{"type": "Dataset"}]), "pipelines: got|cannot be as it is"),
        (changed(train=[{"type": "KerasLayer"}]), "repeated from Python"),
        (changed(train=[{"type": "RandomFlip", "q": 1}]), "fields of RandomFlip"),
        (changed(prune={"sparsity": 2}), "sparsity must be in 0..1"),
        ({"preset": "hyperseg_tiny"}, "missing"),
    ],
)
def test_what_is_no_recipe_is_refused_by_name(values, said):
    with pytest.raises(UserError, match=said):
        recipe_from_data(values)
