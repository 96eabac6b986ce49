"""From the pixels of a picture to the numbers that the network takes, and back.

The one place: training, prediction, evaluation, inspection and exports all call
`normalise`, so a score, a picture and a served answer come from the same arithmetic.
Arrays of NumPy and tensors of any backend go through alike.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from hyperseg_tf.base.constants import IMAGENET_MEAN, IMAGENET_STD

# The network refuses smaller images; they are padded with the mean colour.
MIN_SIDE = 32

# Of 16 bits the upper 8 are used. Cameras put 12 bits or fewer into 16: read like that
# the picture is black, so one without any value from this one on is refused.
DARKEST_OF_16_BITS = 16

# Of values 0..255, float32.
MEAN = np.float32(255) * np.asarray(IMAGENET_MEAN, np.float32)
STD = np.float32(255) * np.asarray(IMAGENET_STD, np.float32)

# Multiplied, not divided by: TensorFlow's graphs turn the one into the other anyhow,
# and the bits shall be the same in and out of a graph.
SCALE = np.float32(1) / STD


def normalise(pixels):
    """RGB 0..255 to what the network takes.

    Args:
        pixels: float32 (..., 3), an array or a tensor; an array of integers, too.

    Returns:
        float32 (..., 3), `(pixels - mean) / deviation` of ImageNet.
    """
    if isinstance(pixels, np.ndarray):
        pixels = pixels.astype(np.float32, copy=False)
    return (pixels - MEAN) * SCALE


def denormalise(values: np.ndarray) -> np.ndarray:
    """What the network takes, float32 (..., 3), to RGB uint8, rounded and clipped."""
    pixels = np.asarray(values, np.float32) * STD + MEAN
    return np.clip(np.round(pixels), 0, 255).astype(np.uint8)


def check_images(images: np.ndarray) -> None:
    """Raise `ValueError` unless `images` is uint8 (B, H, W, 3), nothing empty."""
    if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8:
        raise ValueError(
            "pictures are uint8 RGB (B, H, W, 3): got "
            f"{images.dtype} {images.shape}; convert them first."
        )
    if 0 in images.shape:
        raise ValueError(f"pictures must not be empty: got {images.shape}.")


def check_image(image: np.ndarray) -> None:
    """Raise `ValueError` unless `image` is uint8 (H, W, 3), nothing empty."""
    if image.ndim != 3:
        raise ValueError(f"a picture is uint8 RGB (H, W, 3): got {image.shape}.")
    check_images(image[None])


def resize(images: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Bicubic with antialiasing, as the released models were evaluated.

    Args:
        images: uint8 (B, H, W, 3).
        size: (height, width).

    Returns:
        uint8 (B, height, width, 3).
    """
    height, width = size
    return np.stack(
        [
            np.asarray(
                Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC)
            )
            for image in images
        ]
    )


def resize_nearest(labels: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """The pixel under each new pixel's centre.

    Args:
        labels: Class maps (B, H, W).
        size: Their new height and width.

    Returns:
        The same type, (B, height, width).
    """
    rows, columns = (
        (2 * np.arange(new) + 1) * old // (2 * new)
        for new, old in zip(size, labels.shape[1:], strict=True)
    )
    return labels[:, rows[:, None], columns]


def to_input(
    images: np.ndarray, image_size: tuple[int, int] | None = None
) -> tuple[np.ndarray, tuple[int, int]]:
    """Pictures as the network takes them.

    Args:
        images: uint8 (B, H, W, 3), checked.
        image_size: (height, width) to resize to; None leaves the size as it is.

    Returns:
        float32 (B, H', W', 3), normalised, padded at the bottom and on the right with
        the mean colour to at least `MIN_SIDE`; and (height, width) without the padding.
    """
    if image_size is not None and images.shape[1:3] != tuple(image_size):
        images = resize(images, image_size)
    height, width = images.shape[1:3]
    short = [(0, max(0, MIN_SIDE - side)) for side in (height, width)]
    return np.pad(normalise(images), [(0, 0), *short, (0, 0)]), (height, width)
