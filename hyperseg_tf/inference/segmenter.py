"""Inference on pictures of any size: uint8 in, logits or class map out.

The one place where evaluation and prediction turn pictures into network input, so
that a score and a picture come from the same numbers.
"""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
from PIL import Image

from hyperseg_tf.base.constants import IMAGENET_MEAN, IMAGENET_STD

# The network refuses smaller images; they are padded with the mean colour.
MIN_SIDE = 32


def open_model(model: keras.Model | str | Path) -> keras.Model:
    """Return a model itself, or load it from a `.keras` file.

    Raises:
        UserError: There is no readable model.
    """
    if isinstance(model, str | Path):
        from hyperseg_tf.network.model import load

        return load(model)
    return model


def normalise(images: np.ndarray) -> np.ndarray:
    """RGB 0..255 (..., 3) to what the network takes, float32."""
    mean = np.float32(255) * np.asarray(IMAGENET_MEAN, np.float32)
    std = np.float32(255) * np.asarray(IMAGENET_STD, np.float32)
    return (np.asarray(images, np.float32) - mean) / std


def class_names(model: keras.Model) -> list[str] | None:
    """Return the classes a model was trained for, or None where it does not say."""
    names = getattr(model, "metadata", {}).get("classes")
    return None if names is None else [str(name) for name in names]


class Segmenter:
    """A snapshot of a model for inference, folded and compiled once for all sizes.

    Args:
        model: A `HyperSeg`, or any Keras model from images (B, H, W, 3) to logits
            (B, H, W, C). Later changes of its weights are not seen.
        image_size: (height, width) that pictures are resized to for the network;
            None leaves them as they are. Logits always have the picture's size.
    """

    def __init__(
        self, model: keras.Model, image_size: tuple[int, int] | None = None
    ) -> None:
        # Compiled blocks are faster at one size, but compile anew for every other.
        self._model = model.fold("slices") if hasattr(model, "fold") else model
        self._call = _compiled(self._model)
        self.image_size = image_size

    def logits(self, images: np.ndarray) -> np.ndarray:
        """uint8 (B, H, W, 3) RGB to float32 (B, H, W, C)."""
        images = np.asarray(images)
        check_images(images)
        size = images.shape[1:3]
        if self.image_size is not None and size != self.image_size:
            images = resize(images, self.image_size)
        x = normalise(images)
        height, width = x.shape[1:3]
        short = [(0, max(0, MIN_SIDE - side)) for side in (height, width)]
        x = np.pad(x, [(0, 0), *short, (0, 0)])
        logits = self._call(x)[:, :height, :width]
        if (height, width) != size:
            logits = keras.ops.image.resize(logits, size, interpolation="bilinear")
        return keras.ops.convert_to_numpy(logits)

    def class_maps(self, images: np.ndarray) -> np.ndarray:
        """uint8 (B, H, W, 3) RGB to class indices, uint8 (B, H, W)."""
        return self.logits(images).argmax(axis=-1).astype(np.uint8)


def check_images(images: np.ndarray) -> None:
    """Raise `ValueError` unless `images` is uint8 (B, H, W, 3), nothing empty."""
    if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8:
        raise ValueError(
            "pictures are uint8 RGB (B, H, W, 3): got "
            f"{images.dtype} {images.shape}; convert them first."
        )
    if 0 in images.shape:
        raise ValueError(f"pictures must not be empty: got {images.shape}.")


def resize(images: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Bicubic with antialiasing, as the released models were evaluated."""
    height, width = size
    return np.stack(
        [
            np.asarray(
                Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC)
            )
            for image in images
        ]
    )


def _compiled(model: keras.Model):
    """A function (B, H, W, 3) -> (B, H, W, C), traced once for every size."""
    if keras.backend.backend() != "tensorflow":
        return lambda x: model(x, training=False)
    import tensorflow as tf

    spec = tf.TensorSpec((None, None, None, 3), tf.float32)
    return tf.function(lambda x: model(x, training=False), input_signature=[spec])
