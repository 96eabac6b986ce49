"""What a transform is, and the rules that the arguments of several share."""

from collections.abc import Sequence
from typing import Protocol

import tensorflow as tf

from hyperseg_tf.base import pixels

Tensors = dict[str, tf.Tensor]
# RGB 0..255.
Colour = tuple[float, float, float]


class Transform(Protocol):
    """Image (H, W, 3), uint8 or float32 of 0..255, and label (H, W), uint8."""

    def __call__(self, sample: Tensors, seed: tf.Tensor) -> Tensors: ...


def colour_of(fill: Colour | None, dtype: tf.DType) -> tf.Tensor:
    """`fill`, or ImageNet's mean colour, as (3,) of a type; bytes are rounded."""
    fill = tf.constant(pixels.MEAN if fill is None else fill, tf.float32)
    return tf.cast(tf.round(fill) if dtype.is_integer else fill, dtype)


def as_type(image: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """float32 values clipped to 0..255, rounded if the type is one of integers."""
    image = tf.clip_by_value(image, 0.0, 255.0)
    return tf.cast(tf.round(image) if dtype.is_integer else image, dtype)


def check_probability(transform) -> None:
    """Raise `ValueError` unless `p` is one."""
    if not 0 <= transform.p <= 1:
        name = type(transform).__name__
        raise ValueError(f"{name} needs a probability p of 0..1: got {transform.p}.")


def check_method(transform, methods: Sequence[str]) -> None:
    """Raise `ValueError` unless `method` is one of `methods`."""
    if transform.method not in methods:
        raise ValueError(
            f"{type(transform).__name__} resamples by one of {', '.join(methods)}: "
            f"got {transform.method!r}."
        )


def check_size(transform) -> None:
    """Raise `ValueError` unless `height` and `width` are those of a picture."""
    if transform.height < 1 or transform.width < 1:
        raise ValueError(
            f"{type(transform).__name__} needs a height and width of at least 1: got "
            f"{transform.height}x{transform.width}."
        )


def check_colour(transform) -> None:
    """Raise `ValueError` unless `fill` is None or a colour."""
    fill = transform.fill
    if fill is not None and not all(0 <= value <= 255 for value in fill):
        name = type(transform).__name__
        raise ValueError(f"{name} fills with a colour, 0..255 each: got {fill}.")


def check_range(transform, low: float, high: float, what: str = "") -> None:
    """Raise `ValueError` unless low <= minimum <= maximum <= high."""
    if not low <= transform.minimum <= transform.maximum <= high:
        raise ValueError(
            f"{type(transform).__name__} needs {low:g} <= minimum <= maximum <= "
            f"{high:g}{what}: got {transform.minimum}, {transform.maximum}."
        )


def within(seed: tf.Tensor, minimum: float, maximum: float) -> tuple[tf.Tensor, ...]:
    """Two even draws, scalars: one of 0..1, which decides, and one of the range."""
    draws = tf.random.stateless_uniform((2,), seed)
    return draws[0], minimum + draws[1] * (maximum - minimum)
