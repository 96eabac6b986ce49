"""What the fields of a recipe and of its parts must be."""

from collections.abc import Callable, Iterable
from typing import Any

# Fields, what they must, and whether a value does; NaN never does.
Rule = tuple[str, str, Callable[[Any], bool]]


def one_of(field: str, names: tuple[str, ...]) -> Rule:
    """The rule of a field that is one of some words."""
    return field, f"be one of {', '.join(names)}", lambda value: value in names


def check(owner: Any, rules: Iterable[Rule], prefix: str = "") -> None:
    """Raise `ValueError` for the first field that is not what it must be."""
    for names, rule, holds in rules:
        for name in names.split():
            value = getattr(owner, name)
            if not holds(value):
                raise ValueError(f"{prefix}{name} must {rule}: got {value!r}.")
