"""How each model was trained: one function per run, each on one screen.

The functions load when called: their transforms need TensorFlow, a list of names
does not.
"""

if __name__ != "hyperseg_tf.recipes":
    # In a checkout the folder is in Python's path, too: classes would exist twice.
    raise ImportError(
        "recipes is a part of hyperseg_tf: got `import recipes`; write "
        "`from hyperseg_tf import recipes`."
    )

import importlib

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.names import did_you_mean
from hyperseg_tf.recipes.prune import Prune
from hyperseg_tf.recipes.recipe import Recipe
from hyperseg_tf.recipes.recorded import recipe_from_data
from hyperseg_tf.recipes.settings import replace_from_strings

_MODULE = {
    "demo": "demo",
    "own_folder": "own_folder",
    "camvid11_hyperseg_s": "camvid",
    "camvid11_hyperseg_m_lite1": "camvid",
    "camvid12_hyperseg_s": "camvid",
    "camvid12_hyperseg_l": "camvid",
    "cityscapes_hyperseg_m": "cityscapes",
    "cityscapes_hyperseg_s": "cityscapes",
    "voc_hyperseg_l": "voc",
}

__all__ = [
    "Prune",
    "Recipe",
    "get",
    "names",
    "recipe_from_data",
    "replace_from_strings",
]


def names() -> list[str]:
    """Return the names that `get` knows, the smallest run first."""
    return list(_MODULE)


def get(name: str) -> Recipe:
    """Return the recipe called `name`.

    Raises:
        UserError: There is none of that name.
    """
    if name not in _MODULE:
        raise UserError(
            f"a recipe has one of the names {', '.join(names())}: got {name!r}"
            f"{_way_out(name)}."
        )
    return getattr(importlib.import_module(f"{__name__}.{_MODULE[name]}"), name)()


def _way_out(name: str) -> str:
    guess = did_you_mean(name, names())
    if not guess and name.startswith("hyperseg_"):
        return f"; to train an architecture, own_folder --preset {name}"
    return f"; {guess.strip()}" if guess else ""
