"""An export of one size and batch, for pictures of any."""

from collections.abc import Callable

import numpy as np

from hyperseg_tf.base import pixels
from hyperseg_tf.export.options import Options


class Fitted:
    """Class maps at the size of the pictures, whatever size and batch the export has.

    Pictures are resized to it, class maps back to the nearest pixel; a batch is filled
    up with its last picture.

    Args:
        run: Answers uint8 (B, H, W, 3) of just that size and batch with the output of
            `options`, which is not "overlay".
        options: Of the export.
    """

    def __init__(self, run: Callable[[np.ndarray], np.ndarray], options: Options):
        self._run = run
        self._options = options

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """uint8 (B, H, W, 3) to uint8 (B, H, W)."""
        size = images.shape[1:3]
        given = images
        if self._options.size is not None and self._options.size != size:
            given = pixels.resize(images, self._options.size)
        step = self._options.batch or len(given)
        maps = [
            self._batch(given[i : i + step], step) for i in range(0, len(given), step)
        ]
        found = np.concatenate(maps)
        return pixels.resize_nearest(found, size)

    def _batch(self, images: np.ndarray, step: int) -> np.ndarray:
        count = len(images)
        filled = np.concatenate([images, images[-1:].repeat(step - count, axis=0)])
        return classes_of(self._run(filled), self._options.output)[:count]


def classes_of(output: np.ndarray, name: str) -> np.ndarray:
    """The class map in an output of that name, uint8 (B, H, W)."""
    if name in ("logits", "probabilities"):
        return output.argmax(axis=-1).astype(np.uint8)
    return output
