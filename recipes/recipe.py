"""What a recipe says: every number that decides the result of a training run.

A field added here is written to run.json of every run and compared when a run is
resumed; give it a default, so that older runs can still be told apart.
"""

import types
import typing
from collections.abc import Iterable
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Literal

from hyperseg_tf.base.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One training run; the number of classes comes from the data.

    Args:
        preset: Architecture, a name that `HyperSeg.from_preset` knows.
        train: Transforms of a training sample, in order, ending in images that all
            have the same size.
        evaluate: Transforms of a validation sample, in order.
        protocol: How scores are computed; scores of two protocols never mix.
        epochs: Passes over `samples_per_epoch` samples, each followed by validation.
        samples_per_epoch: Samples between two validations; need not be the size of
            the data. The surplus of `samples_per_epoch / batch_size` is dropped.
        batch_size: Samples per step, over all devices together.
        learning_rate: Rate of the first step.
        power: Exponent of the polynomial decay to zero at the last step.
        decay: When the rate changes, every "step" or every "epoch".
        betas: Decay of Adam's two moments.
        epsilon: Adam's constant.
        loss: "bootstrapped" (over hard pixels) or "cross_entropy" (over all).
        loss_k: Fewest pixels per image in the bootstrapped loss.
        loss_threshold: Pixel loss above which a pixel is hard.
        norm_momentum: Share of the old running statistics that a step keeps in every
            batch normalization; None leaves the network's own (0.99 in the backbone,
            0.9 behind it). From random weights the backbone changes faster than 0.99
            follows, and validation scores lag far behind the network.
        weights: What the network starts from: None (random), "imagenet" (backbone),
            "imagenet-or-random" (random where ImageNet's file cannot be had), or
            the path of a file.
        seed: Of the initial weights, the order and transforms of the samples and
            the dropout.
        train_splits: Splits of the data trained on.
        evaluate_split: Split of the data that picks the best epoch.
        evaluate_batch_size: Samples per validation step; 1 where sizes differ.
        void_is_class: Void pixels of the data are one more class, the last, named
            "void", as in the published CamVid models; else they are ignored.
        cache: Keep decoded training samples in memory.
        overlays: Validation samples drawn after each epoch.
    """

    preset: str
    train: tuple[Any, ...]
    evaluate: tuple[Any, ...]
    protocol: str
    epochs: int
    samples_per_epoch: int
    batch_size: int
    learning_rate: float
    power: float
    decay: Literal["step", "epoch"] = "step"
    betas: tuple[float, float] = (0.5, 0.999)
    epsilon: float = 1e-8
    loss: Literal["bootstrapped", "cross_entropy"] = "bootstrapped"
    loss_k: int = 4096
    loss_threshold: float = 0.3
    norm_momentum: float | None = None
    weights: str | None = None
    seed: int = 0
    train_splits: tuple[str, ...] = ("train",)
    evaluate_split: str = "val"
    evaluate_batch_size: int = 1
    void_is_class: bool = False
    cache: bool = False
    overlays: int = 4

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "evaluate_batch_size", "loss_k"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"{name} must be at least 1: got {getattr(self, name)}."
                )
        if self.norm_momentum is not None and not 0 <= self.norm_momentum < 1:
            raise ValueError(
                f"norm_momentum must be in 0..1, without 1: got {self.norm_momentum}."
            )
        if self.samples_per_epoch < self.batch_size:
            raise ValueError(
                "an epoch must hold one batch: got "
                f"samples_per_epoch={self.samples_per_epoch} and "
                f"batch_size={self.batch_size}; raise one or lower the other."
            )
        for name in ("decay", "loss"):
            choices = typing.get_args(typing.get_type_hints(type(self))[name])
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name} must be one of {', '.join(choices)}: got "
                    f"{getattr(self, name)!r}."
                )

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps between two validations."""
        return self.samples_per_epoch // self.batch_size

    def as_data(self) -> dict[str, Any]:
        """Return the recipe as JSON-able data; transforms carry their class name."""
        return {f.name: _as_data(getattr(self, f.name)) for f in fields(self)}


def replace_from_strings(recipe: Recipe, settings: Iterable[str]) -> Recipe:
    """Return the recipe with fields changed by `name=value` strings.

    Numbers, yes/no, words and comma-separated tuples of these can be set; "none"
    is None where the field allows it. Transforms are changed in the recipe itself.

    Raises:
        UserError: A string is not `name=value`, names no field that can be set, or
            its value does not suit the field.
    """
    hints = typing.get_type_hints(type(recipe))
    known = {name: hint for name, hint in hints.items() if _settable(hint)}
    changes = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise UserError(f"a setting is name=value: got {setting!r}.")
        if name in hints and name not in known:
            raise UserError(
                f"transforms cannot be set by name=value: got {setting!r}; change "
                "the recipe's function in recipes/ or pass a Recipe from Python."
            )
        if name not in known:
            raise UserError(
                f"a recipe has no field {name!r}; it has {', '.join(known)}."
            )
        try:
            changes[name] = _parse(text, known[name])
        except ValueError as error:
            raise UserError(f"{name} is {error}: got {text!r}.") from None
    try:
        return replace(recipe, **changes)
    except ValueError as error:
        raise UserError(str(error)) from None


def _as_data(value: Any) -> Any:
    if is_dataclass(value):
        own = {f.name: _as_data(getattr(value, f.name)) for f in fields(value)}
        return {"type": type(value).__name__, **own}
    if isinstance(value, tuple | list):
        return [_as_data(item) for item in value]
    return value


def _settable(hint: Any) -> bool:
    return hint is not Any and all(
        _settable(arg)
        for arg in typing.get_args(hint)
        if typing.get_origin(hint) is tuple and arg is not Ellipsis
    )


def _parse(text: str, hint: Any) -> Any:
    """Return `text` as a value of the type; ValueError says what was expected."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        if text in args:
            return text
        raise ValueError(f"one of {', '.join(args)}")
    if origin in (types.UnionType, typing.Union):
        if text.lower() == "none" and type(None) in args:
            return None
        return _parse(text, next(arg for arg in args if arg is not type(None)))
    if origin is tuple:
        items = text.split(",")
        if args[-1] is not Ellipsis and len(items) != len(args):
            raise ValueError(f"{len(args)} values with commas between")
        return tuple(_parse(item.strip(), args[0]) for item in items)
    if hint is bool:
        values = {"yes": True, "true": True, "1": True}
        values |= {"no": False, "false": False, "0": False}
        if text.lower() not in values:
            raise ValueError("yes or no")
        return values[text.lower()]
    if hint is int:
        try:
            return int(text)
        except ValueError:
            raise ValueError("a whole number") from None
    if hint is float:
        try:
            return float(text)
        except ValueError:
            raise ValueError("a number") from None
    return text
