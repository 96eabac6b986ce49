"""Pictures of two splits that are (nearly) the same: scores on them say too much."""

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
from PIL import Image

# Of 64 bits of the perceptual hash.
_ALIKE = 2
# Hashes of flat pictures are all the same.
_FLAT = 2.0
_SHOWN = 3

MISSING = (
    "nearly the same pictures in two splits are not looked for: imagehash is missing; "
    "pip install 'hyperseg_tf[data]'"
)

Hash = Callable[[np.ndarray], int | None]


def hasher() -> Hash | None:
    """A function of uint8 (H, W, 3) to 64 bits, None of a flat picture.

    None where imagehash is missing.
    """
    try:
        import imagehash
    except ImportError:
        return None

    def of(image: np.ndarray) -> int | None:
        grey = Image.fromarray(image).convert("L")
        if np.asarray(grey).std() < _FLAT:
            return None
        bits = imagehash.phash(grey).hash.reshape(-1)
        return int(np.packbits(bits).view(">u8")[0])

    return of


def notes(splits: Sequence[tuple[str, Sequence[str], Sequence[int | None]]]) -> list:
    """A line per two splits with pictures in common.

    Args:
        splits: Name of the split, names of its samples and their hashes.
    """
    lines = []
    for (one, a_names, a_hashes), (two, b_names, b_hashes) in combinations(splits, 2):
        pairs = [f"{a_names[i]} = {b_names[j]}" for i, j in _alike(a_hashes, b_hashes)]
        if pairs:
            more = ", ..." if len(pairs) > _SHOWN else ""
            lines.append(
                f"{len(pairs)} pictures of {two} are nearly the same as some of {one}, "
                f"so its scores say too much: {', '.join(pairs[:_SHOWN])}{more}"
            )
    return lines


def _alike(
    ours: Sequence[int | None], theirs: Sequence[int | None]
) -> list[tuple[int, int]]:
    """(position, position) of the nearest of ours for each of theirs that has one."""
    known = [i for i, value in enumerate(ours) if value is not None]
    hashes = np.array([ours[i] for i in known], np.uint64)
    found = []
    for j, value in enumerate(theirs):
        if value is None or not known:
            continue
        away = np.bitwise_count(hashes ^ np.uint64(value))
        nearest = int(away.argmin())
        if away[nearest] <= _ALIKE:
            found.append((known[nearest], j))
    return found
