"""Inference on pictures of any size: uint8 in, logits or class map out.

Evaluation, prediction of files and inspection all go through `Segmenter`, so that a
score and a picture come from the same numbers.
"""

from pathlib import Path

import keras
import numpy as np

from hyperseg_tf.base import pixels
from hyperseg_tf.inference.finite import check_finite
from hyperseg_tf.network.model_file import load
from hyperseg_tf.ops import choice


def open_model(model: keras.Model | str | Path) -> keras.Model:
    """Return a model itself, or load it from a `.keras` file.

    Raises:
        UserError: There is no readable model.
    """
    return load(model) if isinstance(model, str | Path) else model


def class_names(model: keras.Model) -> list[str] | None:
    """Return the classes a model was trained for, or None where it does not say."""
    names = getattr(model, "metadata", {}).get("classes")
    return None if names is None else [str(name) for name in names]


class Segmenter:
    """A snapshot of a model for inference, folded and traced once for all sizes.

    Args:
        model: A `HyperSeg`, or any Keras model from images (B, H, W, 3) to logits
            (B, H, W, C). Later changes of its weights are not seen.
        image_size: (height, width) that pictures are resized to for the network;
            None leaves them as they are. Logits always have the picture's size.
    """

    def __init__(
        self, model: keras.Model, image_size: tuple[int, int] | None = None
    ) -> None:
        if hasattr(model, "fold"):
            model = model.fold(choice.for_any_size())
        self._call = _traced(model)
        self.image_size = image_size

    def logits(self, images: np.ndarray) -> np.ndarray:
        """uint8 (B, H, W, 3) RGB to float32 (B, H, W, C), as the model gives them."""
        return keras.ops.convert_to_numpy(self._logits(images))

    def class_maps(self, images: np.ndarray) -> np.ndarray:
        """uint8 (B, H, W, 3) RGB to class indices, uint8 (B, H, W).

        Raises:
            NotFinite: The model gives infinite or undefined logits.
        """
        logits = self._logits(images)
        check_finite(logits)
        return best_classes(logits)

    def _logits(self, images):
        """The logits as a tensor of the backend."""
        images = np.asarray(images)
        pixels.check_images(images)
        size = images.shape[1:3]
        x, (height, width) = pixels.to_input(images, self.image_size)
        logits = self._call(x)[:, :height, :width]
        if (height, width) != size:
            logits = keras.ops.image.resize(logits, size, interpolation="bilinear")
        return logits


def best_classes(logits) -> np.ndarray:
    """The class of every pixel: `np.argmax`, the first of equal ones, sooner.

    Args:
        logits: Tensor (B, H, W, C), finite, C at most 256.

    Returns:
        uint8 (B, H, W).
    """
    if keras.backend.backend() != "tensorflow":
        return keras.ops.convert_to_numpy(logits).argmax(axis=-1).astype(np.uint8)
    # Two thirds of the time of np.argmax; tf.argmax takes longer than that. Both it and
    # this one promise the lowest index among equals.
    _, best = keras.ops.top_k(logits, 1, sorted=False)
    best = keras.ops.cast(best, "uint8")
    return keras.ops.convert_to_numpy(keras.ops.squeeze(best, -1))


def _traced(model: keras.Model):
    """A function (B, H, W, 3) -> (B, H, W, C), traced once for every size."""
    if keras.backend.backend() != "tensorflow":
        return lambda x: model(x, training=False)
    import tensorflow as tf

    spec = tf.TensorSpec((None, None, None, 3), tf.float32)
    return tf.function(lambda x: model(x, training=False), input_signature=[spec])
