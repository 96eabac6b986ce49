"""Fields of a recipe, and of its parts, set by `name=value` text.

All settings are read before any is applied: two may be possible only together, a
larger batch and a longer epoch.
"""

import types
import typing
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.names import did_you_mean
from hyperseg_tf.recipes.recipe import Recipe

_WORDS = {bool: "yes or no", int: "a whole number", float: "a number", str: "a word"}


def replace_from_strings(recipe: Recipe, settings: Iterable[str]) -> Recipe:
    """Return the recipe with fields changed by `name=value` strings, the last counts.

    Numbers, yes/no, words and comma-separated tuples of these can be set; "none" is
    None where the field allows it. A field of a transform has the transform's class,
    or its position from 0, in its name: `train.RandomCrop.height=512` or
    `train.1.height=512`; a field of a part that is no list has the part's name alone:
    `prune.sparsity=0.75`.

    Raises:
        UserError: A string is not `name=value`, names nothing that can be set, or
            its value does not suit the field or the other values.
    """
    changes: dict[str, Any] = {}
    inside: dict[tuple[str, int], dict[str, Any]] = {}
    parts: dict[str, dict[str, Any]] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise UserError(
                f"a setting is name=value: got {setting!r}; write {name}=VALUE."
            )
        field, *path = name.strip().split(".")
        hint = _hint(recipe, "a recipe", field, setting)
        if _holds_transforms(hint):
            i, inner = _find(getattr(recipe, field), field, path, setting)
            transform = getattr(recipe, field)[i]
            owner = type(transform).__name__
            hint = _hint(transform, owner, inner, setting)
            now = getattr(transform, inner)
            value = _parse(text, hint, f"{owner}'s {inner}", now)
            inside.setdefault((field, i), {})[inner] = value
        elif is_dataclass(hint):
            part = getattr(recipe, field)
            inner = _field_of_part(part, field, path, setting)
            hint = _hint(part, field, inner, setting)
            value = _parse(text, hint, f"{field}.{inner}", getattr(part, inner))
            parts.setdefault(field, {})[inner] = value
        elif path:
            raise UserError(
                f"{field} has no fields of its own: got {setting!r}; set it as a "
                f"whole, {field}=VALUE."
            )
        else:
            changes[field] = _parse(text, hint, field, getattr(recipe, field))
    for (field, i), values in inside.items():
        transforms = list(changes.get(field, getattr(recipe, field)))
        transforms[i] = _replace(transforms[i], values)
        changes[field] = tuple(transforms)
    for field, values in parts.items():
        changes[field] = _replace(getattr(recipe, field), values)
    return _replace(recipe, changes)


def _replace(owner: Any, changes: dict[str, Any]) -> Any:
    try:
        return replace(owner, **changes)
    except ValueError as error:
        raise UserError(str(error)) from None


def _hint(owner: Any, what: str, name: str, setting: str) -> Any:
    """The type of a field, which must be there."""
    names = [field.name for field in fields(owner)] if is_dataclass(owner) else []
    if name not in names:
        raise UserError(
            f"{what} has no field {name!r}: got {setting!r}; {_nearest(name, names)}."
        )
    return typing.get_type_hints(type(owner))[name]


def _holds_transforms(hint: Any) -> bool:
    return typing.get_origin(hint) is tuple and Any in typing.get_args(hint)


def _find(
    transforms: tuple[Any, ...], field: str, path: list[str], setting: str
) -> tuple[int, str]:
    """The position of the transform that is meant, and the name of its field."""
    classes = [type(transform).__name__ for transform in transforms]
    if len(path) != 2:
        raise UserError(
            f"whole transforms cannot be set: got {setting!r}; set a field of one of "
            f"{', '.join(classes) or 'none'} as {field}.CLASS.NAME=VALUE, or change "
            "the recipe's function in recipes/."
        )
    which, inner = path
    if which.isdecimal():
        if int(which) >= len(classes):
            raise UserError(
                f"{field} has {len(classes)} transforms, counted from 0: got "
                f"{setting!r}; they are {', '.join(classes) or 'none'}."
            )
        return int(which), inner
    found = [i for i, name in enumerate(classes) if name == which]
    if not found:
        raise UserError(
            f"{field} has no transform {which!r}: got {setting!r}; "
            f"{_nearest(which, classes)}."
        )
    if len(found) > 1:
        names = " or ".join(f"{field}.{i}.{inner}" for i in found)
        raise UserError(
            f"a class that occurs more than once is named by position: got "
            f"{setting!r}; write {names}."
        )
    return found[0], inner


def _field_of_part(part: Any, field: str, path: list[str], setting: str) -> str:
    """The name of the field of a part that is meant."""
    if len(path) != 1:
        names = ", ".join(inner.name for inner in fields(part))
        raise UserError(
            f"{field} is set field by field: got {setting!r}; write "
            f"{field}.NAME=VALUE, NAME one of {names}."
        )
    return path[0]


def _nearest(name: str, names: list[str]) -> str:
    return f"{did_you_mean(name, names)}it has {', '.join(names) or 'none'}"


def _parse(text: str, hint: Any, name: str, now: Any) -> Any:
    """Return `text` as a value of the type."""
    if not all(kind in _WORDS or kind is type(None) for kind in _leaves(hint)):
        raise UserError(
            f"{name} cannot be set by text: got {text!r}; change the recipe's function "
            "in recipes/."
        )
    # What is not finite would stop the training later, with a longer story.
    adapter = TypeAdapter(hint, config=ConfigDict(allow_inf_nan=False))
    for reading in _readings(text, hint):
        with suppress(ValidationError):
            return adapter.validate_python(reading)
    raise UserError(
        f"{name} is {_kind(hint)}: got {text!r}; without the setting it is {now}."
    )


def _leaves(hint: Any) -> Iterator[Any]:
    """The types that text is read as, those inside tuples and unions, too."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        yield from map(type, args)
    elif origin is tuple or len(_alternatives(hint)) > 1:
        for arg in args:
            if arg is not Ellipsis:
                yield from _leaves(arg)
    else:
        yield hint


def _readings(text: str, hint: Any) -> Iterator[str | list[str] | None]:
    """What the text may stand for: None, one value, or several with commas between."""
    kinds = _alternatives(hint)
    if type(None) in kinds and text.lower() == "none":
        yield None
        return
    tuples = [typing.get_origin(kind) is tuple for kind in kinds]
    # One word may be a value by itself, or the only one of several.
    if not all(tuples):
        yield text
    if any(tuples):
        yield [part.strip() for part in text.split(",")]


def _alternatives(hint: Any) -> tuple[Any, ...]:
    """The members of a union; what is no union is its only member."""
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return typing.get_args(hint) if union else (hint,)


def _kind(hint: Any) -> str:
    """What a value of the type looks like on a command line."""
    kinds = _alternatives(hint)
    if len(kinds) > 1:
        return " or ".join(
            "none" if kind is type(None) else _kind(kind) for kind in kinds
        )
    args = typing.get_args(hint)
    if typing.get_origin(hint) is Literal:
        return f"one of {', '.join(map(str, args))}"
    if typing.get_origin(hint) is tuple:
        number = "" if args[-1] is Ellipsis else f"{len(args)} "
        return f"{number}values with commas between, each {_kind(args[0])}"
    return _WORDS[hint]
