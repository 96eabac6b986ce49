"""What the sizes and classes of data suggest for a recipe; nothing here is a fault."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

Size = tuple[int, int]

# With fewer pictures a score says little.
_FEW = 5
# What `pipelines.stream` keeps in memory by itself.
_CACHE_BYTES = 2**30


def class_weights(class_pixels: np.ndarray) -> np.ndarray:
    """Median frequency balancing (Eigen and Fergus, 2015): median share / share.

    Args:
        class_pixels: (N,), pixels of every class.

    Returns:
        float64 (N,): 1 for a class of the median share, 0 for one that is absent.
    """
    there = class_pixels > 0
    weights = np.zeros(len(class_pixels))
    if there.any():
        weights[there] = np.median(class_pixels[there]) / class_pixels[there]
    return weights


def of_weights(names: Sequence[str], class_pixels: np.ndarray) -> list[str]:
    """A line of the weights of all classes, where there are several."""
    if np.count_nonzero(class_pixels) < 2:
        return []
    weights = zip(names, class_pixels, class_weights(class_pixels), strict=True)
    shown = [f"{name} {weight:.3g}" for name, pixels, weight in weights if pixels]
    return [f"class weights by median frequency: {', '.join(shown)}"]


def of_sizes(
    split: str, sizes: Sequence[Size], crop: Size | None, batch_size: int | None
) -> list[str]:
    """Lines about one split's sizes.

    Args:
        sizes: (height, width) of every picture that could be read.
        crop: (height, width) that training cuts out; None of a recipe that does not.
        batch_size: Of a training step.
    """
    if not sizes:
        return []
    lines = [f"{split}: {_sizes(sizes)}"]
    if len(sizes) < _FEW:
        lines.append(f"{split}: few samples ({len(sizes)}), so scores say little")
    if split == "train":
        lines += _of_crop(sizes, crop, batch_size)
    elif len(set(sizes)) > 1:
        lines.append(f"{split}: sizes differ, so keep evaluate_batch_size=1")
    decoded = sum(4 * height * width for height, width in sizes)
    fits = decoded <= _CACHE_BYTES
    kept = "small enough to keep" if fits else "too large to keep by default"
    lines.append(f"{split}: {_bytes(decoded)} decoded, {kept} in memory")
    return lines


def _of_crop(
    sizes: Sequence[Size], crop: Size | None, batch_size: int | None
) -> list[str]:
    if crop is None:
        return []
    lines = []
    small = sum(h < crop[0] or w < crop[1] for h, w in sizes)
    window = f"{crop[0]}x{crop[1]}"
    if small:
        lines.append(
            f"train: {small} of {len(sizes)} pictures are smaller than the crop of "
            f"{window}, the rest of which is void: --set train.RandomCrop.height=N "
            "--set train.RandomCrop.width=N cut smaller ones"
        )
    if batch_size:
        pixels = batch_size * crop[0] * crop[1]
        lines.append(
            f"train: a batch of {batch_size} crops of {window} is {pixels / 1e6:.1f} "
            f"million pixels, {_bytes(12 * pixels)} of input; where memory does not "
            "suffice, lower --set batch_size="
        )
    return lines


def _sizes(sizes: Sequence[Size]) -> str:
    kinds = Counter(sizes)
    if len(kinds) == 1:
        return f"all pictures are {_size(sizes[0])} (height x width)"
    low, high = (min(sizes, key=np.prod), max(sizes, key=np.prod))
    usual, count = kinds.most_common(1)[0]
    return (
        f"{len(kinds)} sizes from {_size(low)} to {_size(high)}, {count} of "
        f"{_size(usual)} (height x width)"
    )


def _size(size: Size) -> str:
    return f"{size[0]}x{size[1]}"


def _bytes(count: int) -> str:
    for power, unit in ((9, "GB"), (6, "MB")):
        if count >= 10**power:
            return f"{count / 10**power:.3g} {unit}"
    return f"{count / 1000:.3g} kB"
