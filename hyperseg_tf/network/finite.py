"""What weights may be: with a single NaN a network answers nonsense in silence."""

from collections.abc import Iterable

import keras
import numpy as np


def check_finite(pairs: Iterable[tuple[keras.Variable, np.ndarray]]) -> None:
    """Raise `ValueError` unless values can be those of their variables.

    Args:
        pairs: Variable and values; the ones of a float must be finite, and those of a
            running variance not negative.
    """
    for variable, values in pairs:
        if "float" not in variable.dtype:
            continue
        if not np.isfinite(values).all():
            raise ValueError(f"its {variable.path} has values that are not finite")
        if variable.name == "moving_variance" and (values < 0).any():
            raise ValueError(f"its {variable.path} has negative variances")
