"""Whether a model is shown normalised pictures, the commonest mistake with any network.

Looked at once per process, and only where values are at hand: not in a graph.
"""

import warnings

import numpy as np

# Normalised pixels lie in -2.2 .. 2.7.
_LARGEST = 20
_looked: list[bool] = []


def check_normalised(images) -> None:
    """Warn, once, of images whose values are those of pixels, 0..255.

    Args:
        images: (B, H, W, 3), an array or a tensor of values; others are let through.
    """
    # A symbol has none, and a slice of it would stay in the graph.
    if _looked or not (isinstance(images, np.ndarray) or hasattr(images, "numpy")):
        return
    first = np.asarray(images[:1])
    if first.dtype.kind not in "fiu" or not first.size:
        return
    _looked.append(True)
    if first.max() > _LARGEST:
        warnings.warn(
            f"a model takes normalised images: got values up to {first.max():g}; give "
            "it hyperseg_tf.preprocess(image).",
            stacklevel=3,
        )
