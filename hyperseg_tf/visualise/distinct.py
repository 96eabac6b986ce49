"""Colours of classes that can be told apart in pictures for people.

Data come with colours that were made to be read by programs: in CamVid pedestrians are
a darker shade of trees, and over a photograph a shade says nothing. Where classes are
too alike, as few of them as possible get other colours. Class maps keep those of the
data.
"""

from collections.abc import Sequence

import numpy as np

from hyperseg_tf.visualise.class_map import Colours, palette

# How far apart colours are in CIELAB, of up to so many classes; of more there is less
# room for each. Lightness counts half: the photograph below an overlay has its own.
APART, _FEW = 26.0, 16
_WEIGHTS = (0.5, 1.0, 1.0)
# Okabe and Ito's, which people tell apart who see no red or no green, without black.
_FIRST = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)
# Others are neither nearly black nor nearly white: that is void, and the page.
_LIGHTNESS = (30.0, 90.0)
_STEP = 17
# Of linear RGB: eyes that see all, without red, without green (Machado et al., 2009).
_EYES = (
    np.eye(3),
    np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
)
# Between two of the first, in the eyes that see them least apart; below it they repeat.
_BLIND_APART = 8.0


def drawn_palette(num_classes: int, colours: Colours | None = None) -> np.ndarray:
    """`palette` for pictures, colours that are too alike replaced.

    It depends on nothing else, so that a class has one colour in all pictures of a data
    set. Of very many classes some stay alike.

    Args:
        num_classes: 1 to 255.
        colours: `num_classes` RGB triples 0..255, None where a class has none; or None.

    Returns:
        uint8 (num_classes, 3).

    Raises:
        ValueError: As of `palette`.
    """
    table = palette(num_classes, colours)
    apart = _apart(num_classes)
    labs = _lab(table)
    replaced = _to_replace(_distances(labs, labs) < apart)
    if not replaced:
        return table
    kept = [i for i in range(num_classes) if i not in replaced]
    first = np.array(_FIRST, np.uint8)
    others = np.concatenate([first, _grid()])
    other_labs = _lab(others)
    nearest = _distances(other_labs, labs[kept]).min(axis=1, initial=np.inf)
    for index in replaced:
        far = np.flatnonzero(nearest[: len(first)] >= apart)
        chosen = int(far[0]) if len(far) else int(nearest.argmax())
        table[index] = others[chosen]
        from_it = _distances(other_labs, other_labs[[chosen]])[:, 0]
        nearest = np.minimum(nearest, from_it)
    return table


def distinct_colours(
    count: int, taken: Sequence[tuple[int, int, int]] = ()
) -> list[tuple[int, int, int]]:
    """Colours for classes that have none, which people without red or green see, too.

    The first are Okabe and Ito's; each of the others is as far as can be from those
    before it, in the eyes of whoever sees them least apart. None is nearly black or
    nearly white.

    Args:
        count: At most 255.
        taken: Colours of other classes, and of void.

    Returns:
        (red, green, blue) of 0..255 each, all different.
    """
    first = np.array(_FIRST, np.uint8)
    others = np.concatenate([first, _grid()])
    seen = [_lab_of(_seen(others, eyes)) for eyes in _EYES]

    def distances(colours: np.ndarray) -> np.ndarray:
        pairs = zip(seen, _EYES, strict=True)
        return np.min([_distances(a, _lab_of(_seen(colours, e))) for a, e in pairs], 0)

    nearest = np.full(len(others), np.inf)
    if len(taken):
        nearest = distances(np.array(taken, np.uint8)).min(axis=1)
    chosen: list[tuple[int, int, int]] = []
    for _ in range(count):
        usable = np.flatnonzero(nearest[: len(first)] >= _BLIND_APART)
        index = int(usable[0]) if len(usable) else int(nearest.argmax())
        chosen.append(tuple(map(int, others[index])))
        nearest = np.minimum(nearest, distances(others[[index]])[:, 0])
    return chosen


def said_of_colours(names: Sequence[str], colours: Colours | None) -> str | None:
    """A line on the classes that pictures draw in other colours than the data's.

    None where there are none; colours that were made up say nothing to anybody.

    Args:
        names: One per class.
        colours: As of `drawn_palette`.
    """
    own = [None] * len(names) if colours is None else colours
    drawn = drawn_palette(len(names), colours)
    changed = [
        str(name)
        for name, before, after in zip(names, own, drawn, strict=True)
        if before is not None and tuple(before) != tuple(after)
    ]
    if not changed:
        return None
    more = f" and {len(changed) - 5} more" if len(changed) > 5 else ""
    return (
        f"pictures draw {', '.join(changed[:5])}{more} in colours of their own: those "
        "of the data are too like other classes'"
    )


def _apart(num_classes: int) -> float:
    """The distance asked for; so many balls of this size have room in CIELAB."""
    return APART * min(1.0, (_FEW / num_classes) ** (1 / 3))


def _to_replace(alike: np.ndarray) -> list[int]:
    """Classes, in order, without which no two are alike: the most entangled first."""
    alike = alike & ~np.eye(len(alike), dtype=bool)
    replaced = []
    while alike.any():
        counts = alike.sum(axis=1)
        # The last of equals: the first classes of a data set are often the common ones.
        worst = int(np.flatnonzero(counts == counts.max())[-1])
        alike[worst] = alike[:, worst] = False
        replaced.append(worst)
    return sorted(replaced)


def _grid() -> np.ndarray:
    steps = np.arange(0, 256, _STEP, dtype=np.uint8)
    cells = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    low, high = _LIGHTNESS
    lightness = _lab(cells)[:, 0]
    return cells[(low <= lightness) & (lightness <= high)]


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of CIELAB (N, 3) and (M, 3), lightness weighed less: float64 (N, M)."""
    return np.linalg.norm((a[:, None] - b[None]) * _WEIGHTS, axis=-1)


def _seen(colours: np.ndarray, eyes: np.ndarray) -> np.ndarray:
    """What eyes make of sRGB (N, 3) 0..255: linear RGB of 0..1."""
    return np.clip(_linear(colours) @ eyes.T, 0, 1)


def _linear(colours: np.ndarray) -> np.ndarray:
    share = np.asarray(colours, np.float64) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def _lab(colours: np.ndarray) -> np.ndarray:
    """SRGB (N, 3) 0..255 in CIELAB under D65, float64."""
    return _lab_of(_linear(colours))


def _lab_of(linear: np.ndarray) -> np.ndarray:
    """Linear RGB (N, 3) of 0..1 in CIELAB under D65, float64."""
    to_xyz = np.array(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ]
    )
    xyz = linear @ to_xyz.T / (0.95047, 1.0, 1.08883)
    small = (6 / 29) ** 3
    f = np.where(xyz > small, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)
