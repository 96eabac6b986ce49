"""Class maps of pictures of any size, window by window, in bounded memory.

Beside the picture and its class map there are the logits of one window, what it shares
with the next one, and a strip as wide as the shorter side of the picture with what the
windows there share with the next row of them.
"""

from collections.abc import Callable
from math import ceil

import numpy as np

# uint8 (B, h, w, 3) -> logits float32 (B, h, w, C), an array.
Logits = Callable[[np.ndarray], np.ndarray]
# logits (B, h, w, C) -> what is wanted of them, of any one type (B, h, w).
Best = Callable[[np.ndarray], np.ndarray]


def class_maps(
    logits: Logits,
    best: Best,
    images: np.ndarray,
    window: tuple[int, int],
    overlap: float,
) -> np.ndarray:
    """The class of every pixel, of logits that fade from window to window.

    Windows are spread evenly, all of one size. Where two or more overlap, the weight of
    each falls linearly towards its border; weights at a pixel add up to 1. Through one
    window as large as the picture the result is that of the whole picture.

    Args:
        logits: The network; each window goes through it once.
        best: Of the blended logits.
        images: uint8 (B, H, W, 3).
        window: (height, width), cut to the picture.
        overlap: Share of a window, 0..0.9, that the next one repeats at least.

    Returns:
        (B, H, W), of the type that `best` gives.
    """
    wide = images.shape[2] > images.shape[1]
    if not wide:
        return _along_rows(logits, best, images, window, overlap)
    # The strip between rows of windows lies along the shorter side.
    turned = _along_rows(
        lambda crops: _turn(logits(_turn(crops))),
        lambda blended: _turn(best(_turn(blended))),
        _turn(images),
        window[::-1],
        overlap,
    )
    return np.ascontiguousarray(_turn(turned))


def starts(length: int, window: int, overlap: float) -> list[int]:
    """First pixels of the fewest windows over `length` pixels, spread evenly.

    Args:
        window: Pixels of each, at most `length`.
        overlap: Share of a window that two neighbours have in common at least.
    """
    shared = min(round(overlap * window), window - 1)
    count = max(1, ceil((length - shared) / (window - shared)))
    return np.linspace(0, length - window, count).round().astype(int).tolist()


def ramps(length: int, window: int, begins: list[int]) -> list[np.ndarray]:
    """The weight of every pixel of each window: float32 (window,), summing to 1.

    The sum is over the windows that have a pixel. A side at the border of the picture
    does not fall.
    """
    weights = []
    place = np.arange(window)
    for i, begin in enumerate(begins):
        weight = np.ones(window)
        if i:
            shared = begins[i - 1] + window - begin
            weight = np.minimum(weight, (place + 1) / (shared + 1))
        if i + 1 < len(begins):
            shared = begin + window - begins[i + 1]
            weight = np.minimum(weight, (window - place) / (shared + 1))
        weights.append(weight)
    total = np.zeros(length)
    for begin, weight in zip(begins, weights, strict=True):
        total[begin : begin + window] += weight
    return [
        (weight / total[begin : begin + window]).astype(np.float32)
        for begin, weight in zip(begins, weights, strict=True)
    ]


def _along_rows(
    logits: Logits,
    best: Best,
    images: np.ndarray,
    window: tuple[int, int],
    overlap: float,
) -> np.ndarray:
    count, height, width, _ = images.shape
    tall, broad = min(window[0], height), min(window[1], width)
    tops, lefts = starts(height, tall, overlap), starts(width, broad, overlap)
    rows, columns = ramps(height, tall, tops), ramps(width, broad, lefts)
    found = None
    above = None  # what windows before share with this row of them, (B, h', W, C)
    for i, top in enumerate(tops):
        done = tops[i + 1] - top if i + 1 < len(tops) else tall
        below, beside = None, None
        for j, left in enumerate(lefts):
            crops = images[:, top : top + tall, left : left + broad]
            part = logits(np.ascontiguousarray(crops))
            if len(tops) > 1 or len(lefts) > 1:
                part = part * (rows[i][:, None, None] * columns[j][:, None])
            if beside is not None:
                part[:, :, : beside.shape[2]] += beside
            ready = lefts[j + 1] - left if j + 1 < len(lefts) else broad
            beside = part[:, :, ready:].copy()
            part = part[:, :, :ready]
            here = slice(left, left + ready)
            if above is not None:
                part[:, : above.shape[1]] += above[:, :, here]
            classes = best(part[:, :done])
            if found is None:
                found = np.empty((count, height, width), classes.dtype)
            found[:, top : top + done, here] = classes
            if done < tall:
                if below is None:
                    shape = (count, tall - done, width, part.shape[-1])
                    below = np.empty(shape, np.float32)
                below[:, :, here] = part[:, done:]
        above = below
    return found


def _turn(array: np.ndarray) -> np.ndarray:
    """Rows for columns."""
    return array.swapaxes(1, 2)
