"""The signal of pictures: the vectors that the weights of their patches are made from.

Weight heads are linear, so patches with like vectors have like weights; and folding,
which scales the weights, leaves the signal as it is.
"""

from collections.abc import Callable

import keras
import numpy as np

from hyperseg_tf.network.layout import decoder_layout

# float32 (H, W, 3), normalised -> float32 (h, w, C).
Signals = Callable[[np.ndarray], np.ndarray]


def signals_of(model: keras.Model) -> Signals:
    """A function of one normalised image to its signal, traced once for all sizes.

    Args:
        model: Generates weights. Under TensorFlow later changes of them are seen.

    Returns:
        float32 (H, W, 3), sides of 32 pixels at least, to float32 (h, w, C): the
        channels that some weight head reads, of the cells that hold something of the
        image and not padding alone.
    """
    heads = decoder_layout(model.preset)[1]
    read = np.unique(
        np.concatenate([np.arange(h.offset, h.offset + h.channels) for h in heads])
    )
    tap = keras.Model(model.inputs[0], model.taps().output["signal"])
    run = _traced(tap)

    def signal(image: np.ndarray) -> np.ndarray:
        found = keras.ops.convert_to_numpy(run(image[None]))[0]
        height, width = cell_size(model, image.shape[:2])
        rows, columns = -(-image.shape[0] // height), -(-image.shape[1] // width)
        return found[:rows, :columns, read].astype(np.float32)

    return signal


def cell_size(model: keras.Model, size: tuple[int, int]) -> tuple[int, int]:
    """Height and width, in pixels, of a patch of an image of (height, width)."""
    if model.preset.patch_size is not None:
        return (model.preset.patch_size,) * 2
    multiple = model.preset.size_multiple
    return tuple(side + -side % multiple for side in size)


def _traced(tap):
    if keras.backend.backend() != "tensorflow":
        return lambda images: tap(images, training=False)
    import tensorflow as tf

    spec = tf.TensorSpec((1, None, None, 3), tf.float32)
    return tf.function(lambda images: tap(images, training=False), (spec,))
