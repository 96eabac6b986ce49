"""Inference on pictures of any size: uint8 in, logits or class map out.

Evaluation, prediction of files and inspection all go through `Segmenter`, so that a
score and a picture come from the same numbers.
"""

from math import ceil
from pathlib import Path

import keras
import numpy as np

from hyperseg_tf.base import pixels
from hyperseg_tf.inference import windows
from hyperseg_tf.inference.averaging import mean_of, mirrored
from hyperseg_tf.inference.finite import check_finite
from hyperseg_tf.inference.passes import DEFAULT_WINDOW, Passes
from hyperseg_tf.inference.pictures import limit_for
from hyperseg_tf.network.channels import LAST
from hyperseg_tf.network.model_file import load
from hyperseg_tf.ops import choice

# The longer side of a resized picture over the shorter: a line of pixels stays one.
_LONGEST = 8


def open_model(model: keras.Model | str | Path) -> keras.Model:
    """Return a model itself, or load it from a file or by a bundled model's name.

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
        image_size: (height, width) that pictures are resized to for the network; or
            what their shorter side becomes, whose shape stays, up to a longer side of
            8 times that. None leaves them as they are. Logits always have the
            picture's size.
        passes: Windows, sizes and mirror images; windows are for class maps only.
        max_pixels: Of a picture that the network sees as a whole, padding included;
            class maps of larger ones are made through windows. None makes any as a
            whole.

    Raises:
        ValueError: Pictures shall be resized as a whole and be seen through windows.
    """

    def __init__(
        self,
        model: keras.Model,
        image_size: tuple[int, int] | int | None = None,
        passes: Passes | None = None,
        max_pixels: int | None = None,
    ) -> None:
        self.passes = passes or Passes()
        if image_size is not None and self.passes.window is not None:
            raise ValueError(
                "a picture is resized as a whole, or seen through windows as it is: "
                f"got image_size={image_size} and window={self.passes.window}; leave "
                "out one."
            )
        self._made_for = getattr(getattr(model, "preset", None), "image_size", None)
        self._whole = max_pixels and limit_for(model, image_size, max_pixels)
        if hasattr(model, "fold"):
            model = model.fold(choice.for_any_size())
        self._call = _traced(model)
        self._maps = _traced_maps(model)
        self.image_size = image_size

    def logits(self, images: np.ndarray) -> np.ndarray:
        """uint8 (B, H, W, 3) RGB to float32 (B, H, W, C), as the model gives them.

        Of several passes whose probabilities are averaged, the logarithms of these.
        """
        return keras.ops.convert_to_numpy(self._logits(images))

    def window(self, size: tuple[int, int]) -> tuple[int, int] | None:
        """The window that a picture (height, width) is seen through; None for none."""
        if self.passes.window is not None:
            return self.passes.window
        largest = max(1, *self.passes.scales)
        seen = (ceil(largest * side) for side in size)
        if self._whole is None or self._whole.holds(*seen):
            return None
        return self._made_for or DEFAULT_WINDOW

    def network_size(self, size: tuple[int, int]) -> tuple[int, int] | None:
        """What a picture (height, width) is resized to; None where it is not."""
        if isinstance(self.image_size, int):
            return _of_shape(size, self.image_size)
        return self.image_size

    def class_maps(self, images: np.ndarray) -> np.ndarray:
        """uint8 (B, H, W, 3) RGB to class indices, uint8 (B, H, W).

        Raises:
            NotFinite: The model gives infinite or undefined logits.
        """
        maps = self._whole_maps(images, False)
        return self._answered(images, best_classes) if maps is None else maps[0]

    def confident_maps(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Class indices, uint8 (B, H, W), and the probability of each, float32.

        Args and errors as of `class_maps`.
        """
        maps = self._whole_maps(images, True)
        if maps is not None:
            return maps
        found = self._answered(images, _best_with_confidence)
        return found["class"], found["confidence"]

    def _whole_maps(self, images, confidence):
        """Classes and probabilities where one pass, with nothing behind it, gives them.

        None elsewhere, and where logits are not finite: that says which.
        """
        as_it_is = self.image_size is None and self.passes.single
        if not as_it_is or self._maps is None:
            return None
        images = np.asarray(images)
        pixels.check_images(images)
        if self.window(images.shape[1:3]) is not None:
            return None
        x, size = pixels.to_input(images, None)
        classes, probabilities, finite = self._maps(x, size, confidence)
        return (classes.numpy(), probabilities.numpy()) if finite else None

    def _answered(self, images, best):
        images = np.asarray(images)
        pixels.check_images(images)
        window = self.window(images.shape[1:3])
        if window is None:
            return best(self._finite(images))
        return windows.class_maps(
            lambda crops: keras.ops.convert_to_numpy(self._finite(crops)),
            best,
            images,
            window,
            self.passes.overlap,
        )

    def _finite(self, images):
        logits = self._logits(images)
        check_finite(logits)
        return logits

    def _logits(self, images):
        """The logits as a tensor of the backend."""
        images = np.asarray(images)
        pixels.check_images(images)
        scales, flip = self.passes.scales, self.passes.flip
        return mean_of(
            [mirrored(lambda x, s=s: self._once(x, s), images, flip) for s in scales]
        )

    def _once(self, images, scale: float):
        """Logits of one pass at a multiple of the size, at the pictures' own size."""
        size = images.shape[1:3]
        seen = self.network_size(size)
        if scale != 1:
            seen = tuple(max(1, round(scale * side)) for side in seen or size)
        x, (height, width) = pixels.to_input(images, seen)
        logits = self._call(x)[:, :height, :width]
        if (height, width) != size:
            logits = keras.ops.image.resize(
                logits, size, interpolation="bilinear", data_format=LAST
            )
        return logits


def _of_shape(size: tuple[int, int], side: int) -> tuple[int, int]:
    """The size of a picture (height, width) whose shorter side becomes `side`."""
    factor = min(side / min(size), _LONGEST * side / max(size))
    return tuple(max(1, round(factor * length)) for length in size)


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


def _best_with_confidence(logits) -> np.ndarray:
    """The class of every pixel with its softmax: (B, H, W) of both."""
    classes = best_classes(logits)
    # exp(largest - log(sum(exp))): no tensor of probabilities is made.
    largest = keras.ops.max(logits, axis=-1)
    share = keras.ops.exp(largest - keras.ops.logsumexp(logits, axis=-1))
    found = np.empty(classes.shape, [("class", np.uint8), ("confidence", np.float32)])
    found["class"] = classes
    found["confidence"] = keras.ops.convert_to_numpy(share)
    return found


def _traced(model: keras.Model):
    """A function (B, H, W, 3) -> (B, H, W, C), traced once for every size."""
    if keras.backend.backend() != "tensorflow":
        return lambda x: model(x, training=False)
    import tensorflow as tf

    spec = tf.TensorSpec((None, None, None, 3), tf.float32)
    return tf.function(lambda x: model(x, training=False), input_signature=[spec])


def _traced_maps(model: keras.Model):
    """A function of images, size and "confidence?" to maps; None where it is not had.

    Full-size logits, whose largest takes a tenth of the network's time, are not made.
    """
    if not hasattr(model, "before_resize") or not choice.fused_cpu("auto"):
        return None
    import tensorflow as tf

    from hyperseg_tf.ops.class_map import class_map

    small, factor = model.before_resize()

    def maps(x, size, confidence):
        return class_map(small(x, training=False), size, factor, confidence)

    specs = (tf.TensorSpec((None, None, None, 3)), tf.TensorSpec((2,), tf.int32))
    functions = {
        confidence: tf.function(
            lambda x, size, c=confidence: maps(x, size, c), input_signature=specs
        )
        for confidence in (False, True)
    }
    return lambda x, size, confidence: functions[confidence](x, list(size))
