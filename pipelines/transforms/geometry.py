"""Size, place and sides: what moves pixels and computes none.

Each draws from its own seed and changes the view of the sample; what is seen at last is
computed once.
"""

from dataclasses import dataclass

import tensorflow as tf

from hyperseg_tf.ops.window import METHODS
from hyperseg_tf.pipelines.transforms.transform import (
    Colour,
    check_colour,
    check_method,
    check_probability,
    check_size,
    within,
)
from hyperseg_tf.pipelines.transforms.view import Geometric, View


@dataclass(frozen=True)
class RandomScale(Geometric):
    """Resize by a factor drawn evenly from `minimum`..`maximum`, with probability `p`.

    The size becomes (round(H * factor), round(W * factor)), at least 1x1. Published:
    bicubic with antialiasing and p = 0.5; otherwise the size stays.

    Args:
        minimum: Smallest factor.
        maximum: Largest factor.
        p: Probability of resizing at all.
        method: "bicubic" or "bilinear".
        antialias: Smooth what becomes smaller, as Pillow does and OpenCV does not.
    """

    minimum: float
    maximum: float
    p: float = 1.0
    method: str = "bicubic"
    antialias: bool = True

    def __post_init__(self):
        if not 0 < self.minimum <= self.maximum:
            raise ValueError(
                "RandomScale needs 0 < minimum <= maximum: got "
                f"{self.minimum}, {self.maximum}."
            )
        check_probability(self)
        check_method(self, METHODS)

    def view(self, view: View, seed: tf.Tensor) -> View:
        """Resized, or as it was."""
        decides, factor = within(seed, self.minimum, self.maximum)
        scaled = tf.cast(tf.round(tf.cast(view.size, tf.float32) * factor), tf.int32)
        size = tf.where(decides < self.p, tf.maximum(scaled, 1), view.size)
        return view.resized(size, self.method, self.antialias)


@dataclass(frozen=True)
class Resize(Geometric):
    """Resize to height x width, whatever the shape was; `seed` is not used."""

    height: int
    width: int
    method: str = "bicubic"
    antialias: bool = True

    def __post_init__(self):
        check_size(self)
        check_method(self, METHODS)

    def view(self, view: View, seed: tf.Tensor) -> View:
        """Resized."""
        size = (self.height, self.width)
        return view.resized(size, self.method, self.antialias, static=size)


@dataclass(frozen=True)
class RandomCrop(Geometric):
    """Cut a window of height x width at an even random place.

    Along an axis on which the picture is too small by d it is first padded by d
    on *both* sides, as published: the whole picture is kept, at a random place
    in the window.

    Args:
        height: Of the window.
        width: Of the window.
        fill: Colour of the padding, RGB 0..255, beside void; None is ImageNet's mean
            colour, which normalises to about 0. Published: (0, 0, 0).
    """

    height: int
    width: int
    fill: Colour | None = None

    def __post_init__(self):
        check_size(self)
        check_colour(self)

    def view(self, view: View, seed: tf.Tensor) -> View:
        """The window."""
        window = tf.constant((self.height, self.width))
        padding = tf.maximum(window - view.size, 0)
        room = view.size + 2 * padding - window
        # floor(u * (room + 1)), not an integer draw: its range is a tensor here.
        draws = tf.random.stateless_uniform((2,), seed)
        offset = tf.cast(draws * tf.cast(room + 1, tf.float32), tf.int32)
        first = tf.minimum(offset, room) - padding
        return view.cut(first, window, self.fill, static=(self.height, self.width))


@dataclass(frozen=True)
class PadTo(Geometric):
    """Pad right and bottom, with a colour and void, to at least height x width.

    Args:
        height: Least height.
        width: Least width.
        fill: As `RandomCrop`'s.
    """

    height: int
    width: int
    fill: Colour | None = None

    def __post_init__(self):
        check_size(self)
        check_colour(self)

    def view(self, view: View, seed: tf.Tensor) -> View:
        """Padded; `seed` is not used."""
        size = tf.maximum((self.height, self.width), view.size)
        static = tuple(
            None if known is None else max(known, least)
            for known, least in zip(view.static, (self.height, self.width), strict=True)
        )
        return view.cut((0, 0), size, self.fill, static=static)


@dataclass(frozen=True)
class RandomFlip(Geometric):
    """Mirror image and label together, left to right, with probability `p`."""

    p: float = 0.5

    def __post_init__(self):
        check_probability(self)

    def view(self, view: View, seed: tf.Tensor) -> View:
        """Mirrored, or as it was."""
        return view.mirrored(tf.random.stateless_uniform((), seed) < self.p)
