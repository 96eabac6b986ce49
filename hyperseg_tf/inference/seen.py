"""What the generated weights were like in training, and how unlike those others are.

Kept are some of the training's patches, each with how close its own neighbours are: a
patch is unlike them where it is farther from the nearest than these are from one
another. Distances from a mean do not tell: patches of noise lie near the mean of those
of streets, where none of these are.

Score and units: half of the pictures give the patches that are kept, the other half
says which scores patches have that were seen in training, in percent of these.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

# In a model's metadata.
METADATA = "seen"

# Pictures that are looked at: at least, at most; more than the least where they have
# few patches.
PICTURES = (32, 256)
PATCHES = 4096

_KEPT = 1024
_AXES = 64
# Patches that the axes are computed from: their number decides the time.
_FITTED = 400
_NEIGHBOURS = 5
_PERCENT = np.arange(101)


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """Patches of the training, compact.

    Attributes:
        mean: float32 (C,), of the signal.
        axes: float32 (C, d), its principal axes, orthonormal.
        places: float32 (n, d + 1), the kept patches: along the axes, and how far from
            them.
        radii: float32 (n,), the distance of each from its neighbours, above 0.
        scores: float32 (101,), percentiles 0..100 of the other half's scores, rising.
        pictures: How many it is from.
    """

    mean: np.ndarray
    axes: np.ndarray
    places: np.ndarray
    radii: np.ndarray
    scores: np.ndarray
    pictures: int

    @classmethod
    def of(cls, signals: Sequence[np.ndarray]) -> "Seen | None":
        """Keep what matters of the signals of pictures.

        Args:
            signals: (patches, C) of each picture, or (h, w, C).

        Returns:
            None where there is nothing to compare with: fewer than two pictures or
            three patches in half of them, all alike, or a signal that is not finite.
        """
        parts = [np.reshape(part, (-1, part.shape[-1])) for part in signals]
        if len(parts) < 2 or not all(np.isfinite(part).all() for part in parts):
            return None
        kept, held = (np.concatenate(parts[i::2]).astype(np.float64) for i in (0, 1))
        if len(kept) < 3:
            return None
        kept = np.random.default_rng(0).permutation(kept)[:_KEPT]
        mean = kept.mean(axis=0)
        _, sizes, axes = np.linalg.svd((kept - mean)[:_FITTED], full_matrices=False)
        if sizes[0] <= 1e-6 * max(1e-30, np.linalg.norm(kept)):
            return None
        axes = _rounded(axes[: min(_AXES, np.sum(sizes > 1e-6 * sizes[0]))].T)
        mean = mean.astype(np.float32)
        places = _rounded(_placed(kept, mean, axes))
        distances = np.sort(_distances(places, places), axis=1)
        radii = distances[:, min(_NEIGHBOURS, len(places) - 1)]
        radii = np.maximum(radii, 1e-2 * radii.mean()).astype(np.float32)
        found = cls(
            mean=mean,
            axes=axes,
            places=places,
            radii=radii,
            scores=np.zeros(len(_PERCENT), np.float32),
            pictures=len(parts),
        )
        scores = np.percentile(found.unlikeness(held), _PERCENT).astype(np.float32)
        object.__setattr__(found, "scores", scores)
        return found

    def unlikeness(self, signal: np.ndarray) -> np.ndarray:
        """How many times as far patches are from kept ones as these from one another.

        Args:
            signal: (..., C), finite.

        Returns:
            float64 (...), at least 0; about 1 of what is like the training.
        """
        rows = np.reshape(signal, (-1, signal.shape[-1])).astype(np.float64)
        distances = _distances(_placed(rows, self.mean, self.axes), self.places)
        count = min(_NEIGHBOURS, len(self.places))
        nearest = np.argpartition(distances, count - 1, axis=1)[:, :count]
        ratios = np.take_along_axis(distances, nearest, axis=1) / self.radii[nearest]
        return ratios.mean(axis=1).reshape(signal.shape[:-1])

    def percent(self, scores: np.ndarray) -> np.ndarray:
        """The percentage of the training's patches that have lower scores, 0..100."""
        return np.interp(scores, self.scores, _PERCENT).astype(np.float32)

    def as_data(self) -> dict:
        """As values of JSON, some hundred kilobytes."""
        return {
            "pictures": self.pictures,
            "shape": [len(self.mean), self.axes.shape[1], len(self.places)],
            "scores": [float(f"{score:.6g}") for score in self.scores],
            "mean": _text(self.mean, np.float32),
            "radii": _text(self.radii, np.float32),
            "axes": _text(self.axes, np.float16),
            "places": _text(self.places, np.float16),
        }

    @classmethod
    def from_data(cls, data: Mapping, channels: int) -> "Seen":
        """Read `as_data`, which may come from anybody.

        Args:
            channels: C of the model.

        Raises:
            ValueError: It is something else, or of another network.
        """
        try:
            shape, pictures = data["shape"], data["pictures"]
            if not all(type(n) is int and n > 0 for n in (*shape, pictures)):
                raise ValueError("sizes are positive")
            size, axes, count = shape
            if size != channels or axes > _AXES or count > _KEPT:
                raise ValueError(f"sizes {shape} for a signal of {channels}")
            found = cls(
                mean=_array(data["mean"], np.float32, (size,)),
                axes=_array(data["axes"], np.float16, (size, axes)),
                places=_array(data["places"], np.float16, (count, axes + 1)),
                radii=_array(data["radii"], np.float32, (count,)),
                scores=np.array(data["scores"], np.float32).reshape(len(_PERCENT)),
                pictures=pictures,
            )
            arrays = (found.mean, found.axes, found.places, found.radii, found.scores)
            if not all(np.isfinite(array).all() for array in arrays):
                raise ValueError("a value is not finite")
            if (found.radii <= 0).any() or (np.diff(found.scores) < 0).any():
                raise ValueError("distances are positive, percentiles rise")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(
                f"the training's patches in a model's metadata are those that train "
                f"wrote: got others ({error})."
            ) from None
        return found


def wanted_pictures(patches: int) -> int:
    """How many pictures are looked at, of so many patches each."""
    least, most = PICTURES
    return int(np.clip(-(-PATCHES // patches), least, most))


def _placed(rows, mean, axes):
    """Rows (n, C) along the axes, and their distance from these: (n, d + 1)."""
    centred = rows - mean
    along = centred @ axes
    rest = np.sum(centred**2, axis=1) - np.sum(along**2, axis=1)
    return np.concatenate([along, np.sqrt(np.maximum(rest, 0))[:, None]], axis=1)


def _distances(rows, others):
    """(n, m) between two sets of vectors, without a third axis."""
    rows, others = (np.asarray(x, np.float64) for x in (rows, others))
    squares = np.sum(rows**2, axis=1)[:, None] + np.sum(others**2, axis=1)
    return np.sqrt(np.maximum(squares - 2 * rows @ others.T, 0))


def _rounded(values):
    """As they are after they were saved."""
    return values.astype(np.float16).astype(np.float32)


def _text(values, kind):
    little = np.ascontiguousarray(values, np.dtype(kind).newbyteorder("<"))
    return base64.b64encode(little.tobytes()).decode("ascii")


def _array(text, kind, shape):
    values = np.frombuffer(
        base64.b64decode(text, validate=True), np.dtype(kind).newbyteorder("<")
    )
    return values.reshape(shape).astype(np.float32)
