"""Brightness, contrast, saturation and hue, by torchvision's conventions."""

from dataclasses import dataclass

import tensorflow as tf

from hyperseg_tf.pipelines.transforms.transform import Tensors, as_type

# Of red, green and blue in grey, ITU-R BT.601 with torchvision's digits.
_GREY = (0.2989, 0.587, 0.114)


@dataclass(frozen=True)
class ColourJitter:
    """Change the colours by random factors, one after another in random order.

    Brightness, contrast and saturation are factors of max(0, 1 - b)..1 + b that blend
    the image with black, with the mean of its grey, and with its grey; after each,
    values are clipped to 0..255. Hue turns by -h..h of the whole circle. Published:
    0.5 four times for VOC, 0.25 four times for HyperSeg-S on Cityscapes.

    Args:
        brightness: b of the first; 0 leaves it out, as with all.
        contrast: b of the second.
        saturation: b of the third.
        hue: h, at most 0.5.
        bytes_between: Cut to whole numbers after each change, as torchvision does with
            bytes; else the last result is rounded once.
    """

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    bytes_between: bool = False

    def __post_init__(self):
        for name in ("brightness", "contrast", "saturation"):
            if not getattr(self, name) >= 0:
                raise ValueError(
                    f"ColourJitter needs {name} >= 0: got {getattr(self, name)}."
                )
        if not 0 <= self.hue <= 0.5:
            raise ValueError(f"ColourJitter needs a hue of 0..0.5: got {self.hue}.")

    def __call__(self, sample: Tensors, seed: tf.Tensor) -> Tensors:
        """Sample of the same size; the label stays."""
        keys = [tf.random.experimental.stateless_fold_in(seed, i) for i in (0, 1)]
        order = tf.random.experimental.stateless_shuffle(tf.range(4), keys[0])
        draws = 2 * tf.random.stateless_uniform((4,), keys[1]) - 1
        widths = (self.brightness, self.contrast, self.saturation)
        factors = [
            tf.maximum(1 - width, 0.0) * (1 - draw) / 2 + (1 + width) * (1 + draw) / 2
            for width, draw in zip(widths, tf.unstack(draws[:3]), strict=True)
        ]
        found = self.adjust(sample["image"], order, [*factors, draws[3] * self.hue])
        return {**sample, "image": found}

    def adjust(self, image: tf.Tensor, order: tf.Tensor, factors) -> tf.Tensor:
        """The image with these changes.

        Args:
            image: (H, W, 3), uint8 or float32 of 0..255.
            order: (4,) int32, a permutation: 0 is brightness, 1 contrast, 2 saturation,
                3 hue.
            factors: Of these, in the same numbering; scalars.
        """
        changes = (_brightness, _contrast, _saturation, _hue)
        widths = (self.brightness, self.contrast, self.saturation, self.hue)

        def step(i: int, found: tf.Tensor) -> tf.Tensor:
            if not widths[i]:
                return found
            found = tf.clip_by_value(changes[i](found, factors[i]), 0.0, 255.0)
            # A hue that is turned by nothing may come out a rounding error lower.
            return tf.floor(found + 1e-3) if self.bytes_between else found

        found = tf.cast(image, tf.float32)
        for k in range(4):
            branches = [lambda i=i, x=found: step(i, x) for i in range(4)]
            found = tf.ensure_shape(tf.switch_case(order[k], branches), image.shape)
        return as_type(found, image.dtype)


def _brightness(image, factor):
    return image * factor


def _contrast(image, factor):
    return image * factor + (1 - factor) * tf.reduce_mean(_grey(image))


def _saturation(image, factor):
    return image * factor + (1 - factor) * _grey(image)


def _hue(image, turn):
    return tf.raw_ops.AdjustHue(images=image, delta=turn)


def _grey(image):
    """(H, W, 1)."""
    return tf.linalg.matmul(image, tf.constant(_GREY, shape=(3, 1)))
