"""Pictures as people have them to what the network takes, in one call."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from hyperseg_tf.base import pixels
from hyperseg_tf.inference.one_picture import one_picture

Picture = np.ndarray | Image.Image | str | Path


def preprocess(
    images: Picture | Sequence[Picture], size: tuple[int, int] | None = None
):
    """Return what a model takes: RGB, normalised as in training.

    Args:
        images: One picture: a path, a `PIL.Image`, or an array of whole numbers 0..255,
            RGB (H, W, 3), RGBA or grey; or several of one size, as a list or an array
            (B, H, W, 3). A tensor of a graph, as in `tf.data.Dataset.map`, has values
            0..255 and the shape (..., 3).
        size: (height, width) to resize to, by bicubic interpolation; None leaves them
            as they are. Not for tensors of a graph.

    Returns:
        float32 (B, H, W, 3), B = 1 for one picture; of a tensor of a graph a tensor of
        its shape.

    Raises:
        ValueError: `images` are none of these, or of several sizes.
        UserError: A file cannot be read.
    """
    if _is_symbolic(images):
        import keras

        return pixels.normalise(keras.ops.cast(images, "float32"))
    several = isinstance(images, list | tuple) or getattr(images, "ndim", 0) == 4
    arrays = [one_picture(image) for image in (images if several else [images])]
    if size is not None:
        arrays = [pixels.resize(array[None], size)[0] for array in arrays]
    sizes = sorted({array.shape[:2] for array in arrays})
    if len(sizes) != 1:
        raise ValueError(
            "pictures of a batch have one size: got "
            f"{', '.join(f'{h}x{w}' for h, w in sizes) or 'none'}; give the size, or "
            "one at a time."
        )
    return pixels.normalise(np.stack(arrays))


def _is_symbolic(images) -> bool:
    """Whether it has a shape and a type, and no values yet."""
    if isinstance(images, np.ndarray | Image.Image | str | Path | list | tuple):
        return False
    try:
        np.asarray(images)
    except Exception:  # whatever the backend says of a symbol
        return True
    return False
