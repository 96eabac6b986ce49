"""The coordinate buffers that the authors' decoder keeps in its state dict.

Their loader is strict, so a checkpoint for it must hold them although they follow from
the resolutions in the arch string.
"""

from collections.abc import Iterable, Iterator

import numpy as np


def buffers(
    resolutions: Iterable[tuple[int, int]], levels: int
) -> Iterator[tuple[str, int, int]]:
    """Name, height and width of every buffer, in the order of registration.

    Args:
        resolutions: (height, width) of images.
        levels: Levels of the decoder; level i halves a resolution i times.
    """
    seen = set()
    for height, width in resolutions:
        for i in range(levels):
            size = (height // 2**i, width // 2**i)
            if size not in seen:
                seen.add(size)
                yield (f"decoder.coord{size[0]}_{size[1]}", *size)


def grid(height: int, width: int) -> np.ndarray:
    """Coordinates of all pixels: (1, 2, height, width) float32, x before y."""
    x = np.broadcast_to(_line(width), (height, width))
    y = np.broadcast_to(_line(height)[:, None], (height, width))
    return np.stack([x, y])[None]


def _line(count):
    """-1 to 1 inclusive, as torch.linspace rounds it.

    It starts from both ends and rounds once per value (a fused multiply-add), the step
    being float32 already; float64 has the room for the exact sum.
    """
    if count == 1:
        return np.array([-1], np.float32)
    step = float(np.float32(2) / np.float32(count - 1))
    index = np.arange(count)
    rising = (-1 + step * index).astype(np.float32)
    falling = (1 - step * (count - 1 - index)).astype(np.float32)
    return np.where(index < count // 2, rising, falling)
