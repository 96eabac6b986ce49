"""What is to be seen of a picture, before any of its pixels is computed.

A geometric transform changes the view; `View.sample` computes it, in one step. A change
that the view cannot take up (a picture is resized once, then cut once) computes what is
there and goes on from that, so that every order of transforms means what it says.
"""

from dataclasses import dataclass, replace

import tensorflow as tf

from hyperseg_tf.ops.window import nearest, window
from hyperseg_tf.pipelines.transforms.transform import Colour, Tensors, colour_of


@dataclass(frozen=True)
class View:
    """A sample, and how it is resized, cut and mirrored, in this order.

    Args:
        source: The sample.
        scaled: (2,) int32, the size that all of it is resized to.
        size: (2,) int32, height and width of what is seen.
        first: (2,) int32, where in the resized picture that begins.
        flip: () bool, whether it is then mirrored.
        method: How the image is resampled; None where it is not resized.
        antialias: Of resampling.
        fill: Colour around the picture; None is the mean colour.
        is_cut: Whether it is cut, or padded.
        is_flipped: Whether it may be mirrored.
        static: Height and width where they are known in advance.
    """

    source: Tensors
    scaled: tf.Tensor
    size: tf.Tensor
    first: tf.Tensor
    flip: tf.Tensor
    method: str | None = None
    antialias: bool = True
    fill: Colour | None = None
    is_cut: bool = False
    is_flipped: bool = False
    static: tuple[int | None, int | None] = (None, None)

    @classmethod
    def of(cls, sample: Tensors) -> "View":
        """All of a sample, as it is."""
        label = sample["label"]
        size = tf.shape(label)
        static = tuple(label.shape) if label.shape.rank == 2 else (None, None)
        flip = tf.constant(False)
        return cls(sample, size, size, tf.zeros_like(size), flip, static=static)

    def resized(
        self, size, method: str, antialias: bool, static=(None, None)
    ) -> "View":
        """Seen at another size, (2,) int32."""
        view = self
        if self.method is not None or self.is_cut or self.is_flipped:
            view = self.computed()
        size = tf.convert_to_tensor(size, tf.int32)
        return replace(
            view,
            scaled=size,
            size=size,
            method=method,
            antialias=antialias,
            static=static,
        )

    def cut(
        self, first, size, fill: Colour | None = None, static=(None, None)
    ) -> "View":
        """A window of it, (2,) int32 each, which may reach beyond the picture."""
        if self.is_cut:
            return self.computed().cut(first, size, fill, static)
        first, size = (tf.convert_to_tensor(x, tf.int32) for x in (first, size))
        if self.is_flipped:
            mirrored = self.size[1] - first[1] - size[1]
            column = tf.where(self.flip, mirrored, first[1])
            first = tf.stack([first[0], column])
        return replace(
            self, first=first, size=size, fill=fill, is_cut=True, static=static
        )

    def mirrored(self, flip: tf.Tensor) -> "View":
        """Mirrored left to right where `flip`, () bool."""
        return replace(self, flip=tf.math.logical_xor(self.flip, flip), is_flipped=True)

    def resized_label(self) -> tf.Tensor:
        """The label of all that is resized, (H, W) uint8, neither cut nor mirrored."""
        label = self.source["label"]
        if self.method is None:
            return label
        old = tf.shape(label)
        rows, columns = (
            nearest(old[i], self.scaled[i], 0, self.scaled[i]) for i in (0, 1)
        )
        return tf.gather(tf.gather(label, rows), columns, axis=1)

    def computed(self) -> "View":
        """The same, as a sample of its own."""
        return View.of(self.sample())

    def sample(self) -> Tensors:
        """Compute what is seen."""
        image, label = self.source["image"], self.source["label"]
        if not (self.method or self.is_cut or self.is_flipped):
            return self.source
        image, label = window(
            image,
            label,
            self.scaled,
            self.first,
            self.size,
            self.flip,
            colour_of(self.fill, image.dtype),
            self.method or "bilinear",
            self.antialias,
        )
        height, width = self.static
        return {
            **self.source,
            "image": tf.ensure_shape(image, (height, width, 3)),
            "label": tf.ensure_shape(label, (height, width)),
        }


class Geometric:
    """A transform that changes what is seen, and no value of a pixel."""

    def view(self, view: View, seed: tf.Tensor) -> View:
        """The changed view; random from `seed` alone."""
        raise NotImplementedError

    def __call__(self, sample: Tensors, seed: tf.Tensor) -> Tensors:
        """Change and compute; image and label stay in step."""
        return self.view(View.of(sample), seed).sample()
