"""One picture as people have it, as the array that the network takes."""

from pathlib import Path

import numpy as np
from PIL import Image

from hyperseg_tf.base.limit import Limit
from hyperseg_tf.base.orientation import upright
from hyperseg_tf.inference import pictures
from hyperseg_tf.inference.pictures import check_size, read_picture, rgb

_CHANNELS = (1, 3, 4)


def one_picture(image, limit: Limit | None = None) -> np.ndarray:
    """Return a picture as uint8 (H, W, 3) RGB.

    Args:
        image: A path; a `PIL.Image`, which is turned as its EXIF says; or an array or
            tensor of whole numbers 0..255: RGB (H, W, 3), RGBA (H, W, 4), whose alpha
            is dropped, or grey (H, W) or (H, W, 1).
        limit: Of its size; None for that of files which are decoded, `DECODED`.

    Raises:
        ValueError: It is none of these; the message says what it seems to be.
        UserError: The file cannot be read, or it is too large.
    """
    limit = limit or pictures.DECODED
    if isinstance(image, str | Path):
        return read_picture(image, limit)
    if isinstance(image, Image.Image):
        check_size(image.height, image.width, limit, "the picture")
        return rgb(upright(image), "the picture")
    array = np.asarray(image)
    if array.dtype.kind not in "iu":
        raise ValueError(_of_other_values(array))
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[-1] not in _CHANNELS or 0 in array.shape:
        raise ValueError(_of_other_shape(array))
    check_size(*array.shape[:2], limit, "the picture")
    if array.dtype != np.uint8:
        if array.min() < 0 or array.max() > 255:
            raise ValueError(
                "a picture has values 0..255: got "
                f"{array.dtype} {array.min()}..{array.max()}; scale them."
            )
        array = array.astype(np.uint8)
    if array.shape[-1] == 1:
        return np.repeat(array, 3, axis=-1)
    return np.ascontiguousarray(array[..., :3])


def _of_other_values(array: np.ndarray) -> str:
    rule = "a picture has whole numbers 0..255 (uint8)"
    if array.dtype.kind != "f":
        return f"{rule}: got {array.dtype} {array.shape}."
    if not array.size or not np.isfinite(array).all():
        return f"{rule}: got {array.dtype} {array.shape}, not all finite."
    low, high = float(array.min()), float(array.max())
    got = f"{rule}: got {array.dtype} {low:.3g}..{high:.3g}"
    if low < 0:
        return f"{got}; it seems normalised: give the picture as it was before."
    if high <= 1:
        return f"{got}; give (255 * image).round().astype('uint8')."
    return f"{got}; give image.round().astype('uint8') if it is not normalised."


def _of_other_shape(array: np.ndarray) -> str:
    got = f"a picture is RGB (H, W, 3), RGBA or grey (H, W): got {array.shape}"
    if array.ndim == 4:
        return (
            f"{got}; for several at once, a list of them, or "
            "Segmenter(model).class_maps(images)."
        )
    if array.ndim == 3 and array.shape[0] in _CHANNELS:
        return f"{got}; channels come last: give image.transpose(1, 2, 0)."
    return f"{got}."
