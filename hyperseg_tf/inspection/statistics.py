"""Statistics of many weight vectors: principal components and cosines.

A level may have hundreds of thousands of weights per patch, so nothing here makes a
second copy of them in double precision; sums are taken in it all the same.
"""

from collections.abc import Iterator

import numpy as np

# Vectors that the principal axes are computed from: their number decides the time,
# and more of them hardly turn the axes. The largest published grid has 24x48.
MAX_FITTED = 1152

# A variance this small beside the mean square is rounding of float32.
_CONSTANT = 1e-12

_COLUMNS = 1 << 13


def principal_components(
    rows: np.ndarray, count: int = 3
) -> tuple[np.ndarray, np.ndarray]:
    """Principal components of vectors after their mean is subtracted.

    Of each component the sign is such that its largest value is positive. The axes
    of more than `MAX_FITTED` vectors are computed from a fixed sample of them.

    Args:
        rows: (n, P), finite.
        count: Number of components; those that do not exist are 0.

    Returns:
        float64 (n, count), the components, and float64 (count,), the share of the
        variance that each explains: NaN where there is none, because all vectors are
        equal or there is only one.
    """
    total_rows = len(rows)
    components = np.zeros((total_rows, count))
    fitted = np.arange(total_rows)
    if total_rows > MAX_FITTED:
        fitted = np.random.default_rng(0).permutation(total_rows)[:MAX_FITTED]
    # Products of all vectors with the fitted ones, far smaller than the vectors. The
    # eigenvectors of the square part are the left singular vectors of the fitted ones,
    # its eigenvalues their squared singular values.
    products = np.zeros((total_rows, len(fitted)))
    variance = power = 0.0
    for columns in _columns(rows):
        power += np.sum(columns**2)
        columns -= columns.mean(axis=0)
        variance += np.sum(columns**2)
        products += columns @ columns[fitted].T
    if variance <= _CONSTANT * power:
        return components, np.full(count, np.nan)
    squares, vectors = np.linalg.eigh(products[fitted])
    for i in range(min(count, len(squares))):
        square, vector = squares[-1 - i], vectors[:, -1 - i]
        if square <= _CONSTANT * squares[-1]:
            break
        component = products @ vector / np.sqrt(square)
        sign = np.sign(component[np.argmax(np.abs(component))])
        components[:, i] = sign * component
    return components, np.sum(components**2, axis=0) / variance


def cosines(rows: np.ndarray, index: int) -> np.ndarray:
    """Cosine of the angle between one vector and each of them.

    Args:
        rows: (n, P).
        index: Of the one vector.

    Returns:
        float64 (n,); exactly 1 at `index`, NaN where a vector is zero.
    """
    products = np.zeros(len(rows))
    for columns in _columns(rows):
        products += columns @ columns[index]
    lengths = norms(rows)
    lengths[lengths == 0] = np.nan
    cosine = np.clip(products / (lengths * lengths[index]), -1, 1)
    if lengths[index] > 0:
        cosine[index] = 1.0
    return cosine


def norms(rows: np.ndarray, centred: bool = False) -> np.ndarray:
    """L2 norms, float64 (n,), of vectors (n, P), or of their deviations."""
    squares = np.zeros(len(rows))
    for columns in _columns(rows):
        if centred:
            columns -= columns.mean(axis=0)
        squares += np.sum(columns**2, axis=1)
    return np.sqrt(squares)


def _columns(rows: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the columns in double precision, some at a time."""
    for start in range(0, rows.shape[1], _COLUMNS):
        yield rows[:, start : start + _COLUMNS].astype(np.float64)
