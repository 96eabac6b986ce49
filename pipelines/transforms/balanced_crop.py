"""A window around a pixel of a class that is drawn first: rare classes come often."""

from dataclasses import dataclass

import tensorflow as tf

from hyperseg_tf.base.constants import VOID
from hyperseg_tf.pipelines.transforms.transform import (
    Colour,
    check_colour,
    check_probability,
    check_size,
)
from hyperseg_tf.pipelines.transforms.view import Geometric, View


@dataclass(frozen=True)
class BalancedCrop(Geometric):
    """Cut a window of height x width that shows a class drawn evenly of those there.

    Of the picture's classes one is drawn, then one of its pixels, then a window that
    holds it, all evenly. Where the picture has none of `classes`, and with probability
    1 - p, the pixel is any. Windows end at the picture's border where it is large
    enough; an axis that is too short is padded on both sides, as in `RandomCrop`.

    Args:
        height: Of the window.
        width: Of the window.
        classes: Positions of the classes to draw from; empty: all.
        p: Probability of drawing a class first.
        fill: Colour of the padding, beside void; None is ImageNet's mean colour.
    """

    height: int
    width: int
    classes: tuple[int, ...] = ()
    p: float = 1.0
    fill: Colour | None = None

    def __post_init__(self):
        check_size(self)
        check_probability(self)
        check_colour(self)
        if not all(0 <= index < VOID for index in self.classes):
            raise ValueError(
                f"BalancedCrop needs classes of 0..{VOID - 1}: got {self.classes}."
            )

    def view(self, view: View, seed: tf.Tensor) -> View:
        """The window."""
        if view.is_cut or view.is_flipped:
            view = view.computed()
        draws = tf.random.stateless_uniform((5,), seed)
        place = self._pixel(view.resized_label(), draws)
        window = tf.constant((self.height, self.width))
        padding = tf.maximum(window - view.size, 0)
        low = tf.maximum(place - window + 1, -padding)
        high = tf.minimum(place, view.size + padding - window)
        first = low + _floor(
            draws[3:] * tf.cast(high - low + 1, tf.float32), high - low
        )
        return view.cut(first, window, self.fill, static=(self.height, self.width))

    def _pixel(self, label: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
        """(2,) int32, row and column."""
        flat = tf.cast(tf.reshape(label, [-1]), tf.int32)
        counts = tf.math.bincount(flat, minlength=256, maxlength=256)
        wanted = tf.one_hot(
            self.classes or range(VOID), 256, on_value=True, off_value=False
        )
        there = tf.where((counts > 0) & tf.reduce_any(wanted, axis=0))[:, 0]
        size = tf.shape(label)

        def of_class():
            count = tf.shape(there)[0]
            index = there[_floor(draws[1] * tf.cast(count, tf.float32), count - 1)]
            found = tf.where(flat == tf.cast(index, tf.int32))[:, 0]
            count = tf.shape(found)[0]
            at = found[_floor(draws[2] * tf.cast(count, tf.float32), count - 1)]
            at = tf.cast(at, tf.int32)
            return tf.stack([at // size[1], at % size[1]])

        def anywhere():
            places = tf.cast(draws[1:3] * tf.cast(size, tf.float32), tf.int32)
            return tf.minimum(places, size - 1)

        draw = (draws[0] < self.p) & (tf.size(there) > 0)
        return tf.cond(draw, of_class, anywhere)


def _floor(value: tf.Tensor, most: tf.Tensor) -> tf.Tensor:
    return tf.minimum(tf.cast(value, tf.int32), most)
