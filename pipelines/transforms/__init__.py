"""What happens to a sample between decoding and batching.

A transform is a frozen dataclass called as `transform(sample, seed)`: TensorFlow ops
only, and all randomness from `seed`, an int (2,) tensor that is different for every
sample of the stream and every transform. Image and label are resampled and cut
together; labels take the nearest pixel and are padded with VOID. Transforms keep the
image's dtype (uint8 is rounded and clipped); only `Normalise`, which comes last, costs
four bytes per value.

`compose` joins what only moves pixels: of a picture that is scaled, cropped and
mirrored, no pixel is computed that the crop leaves out.
"""

from hyperseg_tf.pipelines.transforms.balanced_crop import BalancedCrop
from hyperseg_tf.pipelines.transforms.colour import ColourJitter
from hyperseg_tf.pipelines.transforms.compose import compose
from hyperseg_tf.pipelines.transforms.cutmix import CutMix
from hyperseg_tf.pipelines.transforms.cutout import Cutout
from hyperseg_tf.pipelines.transforms.degrade import RandomBlur, RandomJpeg
from hyperseg_tf.pipelines.transforms.geometry import (
    METHODS,
    PadTo,
    RandomCrop,
    RandomFlip,
    RandomScale,
    Resize,
)
from hyperseg_tf.pipelines.transforms.keras_layer import KerasLayer
from hyperseg_tf.pipelines.transforms.rotate import RandomRotate
from hyperseg_tf.pipelines.transforms.transform import Tensors, Transform
from hyperseg_tf.pipelines.transforms.values import Normalise, VoidToClass

__all__ = [
    "METHODS",
    "BalancedCrop",
    "ColourJitter",
    "CutMix",
    "Cutout",
    "KerasLayer",
    "Normalise",
    "PadTo",
    "RandomBlur",
    "RandomCrop",
    "RandomFlip",
    "RandomJpeg",
    "RandomRotate",
    "RandomScale",
    "Resize",
    "Tensors",
    "Transform",
    "VoidToClass",
    "compose",
]
