"""What happens to a sample between decoding and batching.

A transform is a frozen dataclass called as `transform(sample, seed)`: TensorFlow
ops only, and all randomness from `seed`, an int (2,) tensor that is different
for every sample of the stream and every transform. Image and label are resampled
and cut together; labels take the nearest pixel and are padded with VOID. Geometry
keeps the image's dtype (uint8 is rounded and clipped), so only `Normalise`, which
comes last, costs four bytes per value.
"""

from dataclasses import dataclass
from typing import Protocol

import tensorflow as tf

from hyperseg_tf.base import pixels
from hyperseg_tf.base.constants import VOID

Tensors = dict[str, tf.Tensor]

METHODS = ("bicubic", "bilinear")


class Transform(Protocol):
    """Image (H, W, 3), uint8 or float32 of 0..255, and label (H, W), uint8."""

    def __call__(self, sample: Tensors, seed: tf.Tensor) -> Tensors: ...


@dataclass(frozen=True)
class RandomScale:
    """Resize by a factor drawn evenly from `minimum`..`maximum`, with probability `p`.

    Published: bicubic with antialiasing and p = 0.5; otherwise the size stays.
    Bicubic costs about 20 ms at 720x960 on one core, bilinear half of it.
    """

    minimum: float
    maximum: float
    p: float = 1.0
    method: str = "bicubic"

    def __post_init__(self):
        if not 0 < self.minimum <= self.maximum:
            raise ValueError(
                "RandomScale needs 0 < minimum <= maximum: got "
                f"{self.minimum}, {self.maximum}."
            )
        _check_probability(self)
        _check_method(self)

    def __call__(self, sample: Tensors, seed: tf.Tensor) -> Tensors:
        """Sample of size (round(H * factor), round(W * factor)), at least 1x1."""
        draws = tf.random.stateless_uniform((2,), seed)
        factor = self.minimum + draws[1] * (self.maximum - self.minimum)
        size = tf.shape(sample["image"])[:2]
        scaled = tf.cast(tf.round(tf.cast(size, tf.float32) * factor), tf.int32)
        scaled = tf.maximum(scaled, 1)
        image, label = tf.cond(
            draws[0] < self.p,
            lambda: (
                _resize_image(sample["image"], scaled, self.method),
                _resize_label(sample["label"], scaled),
            ),
            lambda: (sample["image"], sample["label"]),
        )
        return {**sample, "image": image, "label": label}


@dataclass(frozen=True)
class Resize:
    """Resize to height x width, whatever the shape was."""

    height: int
    width: int
    method: str = "bicubic"

    def __post_init__(self):
        _check_size(self)
        _check_method(self)

    def __call__(self, sample: Tensors, seed: tf.Tensor) -> Tensors:
        """Sample of size (height, width); `seed` is not used."""
        size = (self.height, self.width)
        image = _resize_image(sample["image"], size, self.method)
        label = _resize_label(sample["label"], size)
        return _with_size({**sample, "image": image, "label": label}, *size)


@dataclass(frozen=True)
class RandomCrop:
    """Cut a window of height x width at an even random place.

    Along an axis on which the picture is too small by d it is first padded by d
    on *both* sides, as published: the whole picture is kept, at a random place
    in the window. Padding is ImageNet's mean colour, which normalises to about
    0, and void.
    """

    height: int
    width: int

    def __post_init__(self):
        _check_size(self)

    def __call__(self, sample: Tensors, seed: tf.Tensor) -> Tensors:
        """Sample of size (height, width)."""
        window = tf.constant((self.height, self.width))
        size = tf.shape(sample["image"])[:2]
        padding = tf.maximum(window - size, 0)
        room = size + 2 * padding - window
        # floor(u * (room + 1)), not an integer draw: its range is a tensor here.
        draws = tf.random.stateless_uniform((2,), seed)
        offset = tf.cast(draws * tf.cast(room + 1, tf.float32), tf.int32)
        offset = tf.minimum(offset, room)
        # Window and picture in the picture's own coordinates.
        first = offset - padding
        start = tf.maximum(first, 0)
        stop = tf.minimum(first + window, size)
        cut = {
            key: value[start[0] : stop[0], start[1] : stop[1]]
            for key, value in sample.items()
        }
        return _pad(cut, start - first, first + window - stop, self.height, self.width)


@dataclass(frozen=True)
class PadTo:
    """Pad right and bottom, mean colour and void, to at least height x width."""

    height: int
    width: int

    def __post_init__(self):
        _check_size(self)

    def __call__(self, sample: Tensors, seed: tf.Tensor) -> Tensors:
        """Sample of size (max(H, height), max(W, width)); `seed` is not used."""
        size = tf.shape(sample["image"])[:2]
        after = tf.maximum((self.height, self.width) - size, 0)
        return _pad(sample, tf.zeros_like(after), after, None, None)


@dataclass(frozen=True)
class RandomFlip:
    """Mirror image and label together, left to right, with probability `p`."""

    p: float = 0.5

    def __post_init__(self):
        _check_probability(self)

    def __call__(self, sample: Tensors, seed: tf.Tensor) -> Tensors:
        """Sample of the same size."""
        flip = tf.random.stateless_uniform((), seed) < self.p
        return {k: tf.where(flip, tf.reverse(v, [1]), v) for k, v in sample.items()}


@dataclass(frozen=True)
class VoidToClass:
    """Make void pixels a class of their own, to be learnt and counted.

    Put it first: void that later transforms pad with then stays ignored.
    """

    index: int

    def __call__(self, sample: Tensors, seed: tf.Tensor) -> Tensors:
        """Sample of the same size; label `index` where it was 255."""
        label = sample["label"]
        index = tf.constant(self.index, label.dtype)
        return {**sample, "label": tf.where(label == VOID, index, label)}


@dataclass(frozen=True)
class Normalise:
    """(image / 255 - mean) / deviation of ImageNet, per channel, as float32."""

    def __call__(self, sample: Tensors, seed: tf.Tensor) -> Tensors:
        """Sample of the same size; `seed` is not used."""
        image = tf.cast(sample["image"], tf.float32)
        return {**sample, "image": pixels.normalise(image)}


def _resize_image(image: tf.Tensor, size, method: str) -> tf.Tensor:
    """(H, W, 3) resampled with antialiasing, in the same dtype and within 0..255."""
    resized = tf.image.resize(image, size, method, antialias=True)
    # Bicubic overshoots at edges.
    resized = tf.clip_by_value(resized, 0.0, 255.0)
    if image.dtype.is_integer:
        resized = tf.round(resized)
    return tf.cast(resized, image.dtype)


def _resize_label(label: tf.Tensor, size) -> tf.Tensor:
    """(H, W): the pixel under each new pixel's centre.

    Rows and columns are gathered: several times faster than resizing, and
    integers make it exact for every size.
    """
    rows = _nearest(tf.shape(label)[0], size[0])
    columns = _nearest(tf.shape(label)[1], size[1])
    return tf.gather(tf.gather(label, rows), columns, axis=1)


def _nearest(old, new) -> tf.Tensor:
    """floor((i + 1/2) * old / new) for i = 0..new - 1."""
    return (2 * tf.range(new) + 1) * old // (2 * new)


def _pad(sample: Tensors, before, after, height, width) -> Tensors:
    """Mean colour around the image, VOID around the label."""
    paddings = tf.stack([before, after], axis=1)
    image, label = sample["image"], sample["label"]
    fill = tf.constant(pixels.MEAN)
    if image.dtype.is_integer:
        fill = tf.round(fill)
    size = tf.shape(label)
    inside = tf.pad(tf.fill((size[0], size[1], 1), True), _plus_channels(paddings))
    image = tf.where(
        inside, tf.pad(image, _plus_channels(paddings)), tf.cast(fill, image.dtype)
    )
    label = tf.pad(label, paddings, constant_values=VOID)
    return _with_size({**sample, "image": image, "label": label}, height, width)


def _plus_channels(paddings: tf.Tensor) -> tf.Tensor:
    return tf.concat([paddings, [[0, 0]]], axis=0)


def _with_size(sample: Tensors, height, width) -> Tensors:
    image = tf.ensure_shape(sample["image"], (height, width, 3))
    label = tf.ensure_shape(sample["label"], (height, width))
    return {**sample, "image": image, "label": label}


def _check_probability(transform) -> None:
    if not 0 <= transform.p <= 1:
        name = type(transform).__name__
        raise ValueError(f"{name} needs a probability p of 0..1: got {transform.p}.")


def _check_method(transform) -> None:
    if transform.method not in METHODS:
        raise ValueError(
            f"{type(transform).__name__} resamples by one of {', '.join(METHODS)}: "
            f"got {transform.method!r}."
        )


def _check_size(transform) -> None:
    if transform.height < 1 or transform.width < 1:
        raise ValueError(
            f"{type(transform).__name__} needs a height and width of at least 1: got "
            f"{transform.height}x{transform.width}."
        )
