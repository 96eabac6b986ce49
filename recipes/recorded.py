"""A recipe as run.json has it, read back: what `Recipe.as_data` wrote.

The file may come from anybody, so types are looked up by name among the transforms and
parts of recipes, and values go through the same checks as settings of the command.
"""

import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.text import shortened
from hyperseg_tf.recipes.recipe import Recipe

_STRICT = ConfigDict(arbitrary_types_allowed=True)


def recipe_from_data(values: Mapping[str, Any]) -> Recipe:
    """Build the recipe that `values` describe; fields that they lack have defaults.

    Args:
        values: `Recipe.as_data()`, by way of JSON or not.

    Raises:
        UserError: A field is unknown or its value does not suit it, or a transform is
            not one of `pipelines`.
    """
    return _build(Recipe, values, "a recipe")


def _build(kind: type, values: Any, what: str) -> Any:
    """An instance of a dataclass from its fields by name."""
    if not isinstance(values, Mapping):
        raise UserError(f"{what} is its fields by name: got {shortened(values)}.")
    given = {name: value for name, value in values.items() if name != "type"}
    known = [field.name for field in fields(kind)]
    unknown = [name for name in given if name not in known]
    if unknown:
        raise UserError(
            f"the fields of {what} are {', '.join(known)}: got {shortened(unknown)}; "
            "it was written by another version."
        )
    hints = typing.get_type_hints(kind)
    made = {
        name: _value(value, hints[name], f"{name} of {what}")
        for name, value in given.items()
    }
    try:
        return kind(**made)
    except (TypeError, ValueError) as error:
        raise UserError(f"{what} cannot be as it is written: {error}") from error


def _value(value: Any, hint: Any, what: str) -> Any:
    if is_dataclass(hint):
        return _build(hint, value, what)
    if hint == tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise UserError(f"{what} is a list: got {shortened(value)}.")
        return tuple(_transform(one) for one in value)
    try:
        return TypeAdapter(hint, config=_STRICT).validate_python(value)
    except ValidationError as error:
        (first, *_) = error.errors()
        raise UserError(
            f"{what} must be right: {first['msg']}: got {shortened(value)}."
        ) from error


def _transform(values: Any) -> Any:
    from hyperseg_tf import pipelines

    name = values.get("type") if isinstance(values, Mapping) else None
    kind = getattr(pipelines, name, None) if isinstance(name, str) else None
    if name == "KerasLayer":
        raise UserError(
            "a recipe with layers of Keras among its transforms is repeated from "
            "Python: got a KerasLayer; build it again and call hyperseg_tf.train."
        )
    if not (isinstance(kind, type) and is_dataclass(kind)) or not callable(kind):
        raise UserError(
            f"a transform is one of hyperseg_tf's pipelines: got {shortened(values)}."
        )
    return _build(kind, values, name)
