"""What wrong values and colours of labels probably are, by how they are distributed.

Looked at are the pixels of all labels together: soft edges, channels in another order,
or counting from 1 are no fault of one file. Each is one finding, with what mends it,
rules of `--read-labels` or a line of the class file; where nothing fits, the most
frequent values are named.
"""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hyperseg_tf.base.constants import VOID
from hyperseg_tf.pipelines.classes import ClassTable
from hyperseg_tf.pipelines.label_reading import LabelReading
from hyperseg_tf.pipelines.label_tally import Tally
from hyperseg_tf.pipelines.samples import Finding

# A value as near to a known one as soft edges and JPEG leave flat areas.
_NEAR = 24
# So many unknown values, or more, are no classes that somebody has forgotten.
_MANY = 8
# Share of all pixels that may be strays beside the values of a mask.
_STRAYS = 0.01
# How many values or colours a message names.
_SHOWN = 5


def is_pattern(tally: Tally, classes: ClassTable) -> bool:
    """Whether what is unknown is like something that is known to happen."""
    if not tally.unknown:
        return False
    return (_pattern(tally, classes) or _of_jpegs(tally, classes)) is not None


def explain(tally: Tally, classes: ClassTable, where: Path) -> list[Finding]:
    """One finding for all unknown values, with what they probably are; or none.

    Args:
        where: Folder of the data, which the finding is about.
    """
    if not tally.unknown:
        return []
    rule, found, remedy = _explain(tally, classes)
    count = len(tally.files)
    if count == 1:
        return [Finding(tally.files[0], rule, found, remedy)]
    names = ", ".join(Path(source).name for source in tally.files[:2])
    found += f", in {count} labels ({names}{', ...' * (count > 2)})"
    return [Finding(where, rule, found, remedy)]


def two_classes(value: int, classes: ClassTable, prefix: str = "") -> str:
    """How to read masks of one class and 255, where 255 may stand for another.

    Args:
        value: That of the class that is there.
        prefix: Rules of `LabelReading` in front.
    """
    others = [v for v in classes.values if v != value]
    option = _option(f"{prefix}{value}={value},255={others[0]}")
    if len(others) > 1:
        return f"if 255 stands for a class, say for which: {option}"
    other = classes.names[classes.values.index(others[0])]
    return f"if 255 stands for {other}, read it so: {option}"


def rules_in(text: str) -> str | None:
    """The rules of `--read-labels` that a finding offers first; None for none."""
    match = re.search(_option("") + r"(\S*[^\s;,.])", text)
    return match and match[1]


def _pattern(tally: Tally, classes: ClassTable) -> tuple[str, str] | None:
    if str(classes.reading):
        return _beside(tally, classes.reading)
    if tally.encoding == "index":
        return _of_values(tally.seen, classes)
    return _of_colours(tally, classes)


def _explain(tally: Tally, classes: ClassTable) -> tuple[str, str, str]:
    pattern = _pattern(tally, classes) or _of_jpegs(tally, classes)
    if tally.encoding == "index":
        low, high = min(classes.values), max(classes.values)
        rule = f"label values are those of the {len(classes)} classes ({low}..{high})"
    else:
        rule = f"label colours are those of the {len(classes)} classes"
    found = _named(tally.unknown, tally.encoding)
    if pattern is None:
        add = _lines(tally, classes)
        return f"{rule} or void", found, f"correct the labels, or {add}"
    what, remedy = pattern
    return f"{rule} or void", f"{what}: {found}", remedy


def _of_jpegs(tally: Tally, classes: ClassTable) -> tuple[str, str] | None:
    """That all files with unknown values are JPEGs, which explains any value."""
    suffixes = {Path(source).suffix.lower() for source in tally.files}
    if not suffixes <= {".jpg", ".jpeg"} or classes.reading.nearest:
        return None
    rules = _and(classes, "nearest")
    return "JPEG's traces", f"export PNGs, or take the nearest class: {_option(rules)}"


def _beside(tally: Tally, reading: LabelReading) -> tuple[str, str] | None:
    """What is left unknown by a reading that was asked for."""
    if len(tally.unknown) < _MANY or reading.nearest:
        return None
    return "many values that it says nothing about", _option(f"{reading},nearest")


def _of_values(
    seen: Counter, classes: ClassTable, prefix: str = ""
) -> tuple[str, str] | None:
    """What index masks probably are, and the way out; None where nothing fits."""
    values = sorted(classes.values)
    top = max(values)
    there = sorted(seen)
    foreign = [v for v in there if v not in (*values, *classes.void_values, VOID)]
    peaks = _peaks(seen, len(classes))
    if len(foreign) >= max(_MANY, 2 * len(classes)) and _stand_out(seen, peaks):
        if len(peaks) == len(values):
            named = [] if peaks == values else _pairs(peaks, values)
            rules = ",".join([*named, "nearest"])
            what = f"soft edges or JPEG's traces around {_list(peaks)}"
            return what, f"read them as the nearest: {_option(prefix + rules)}"
        return None
    levels = _beside_strays(seen, len(values))
    if levels and levels != values:
        pairs = ",".join(_pairs(levels, values))
        return (
            f"{_list(levels)} in nearly all pixels, and strays",
            "if they are the classes in order, read them so, and strays as the "
            f"nearest: {_option(f'{prefix}{pairs},nearest')}",
        )
    plain = [v for v in there if v != VOID]
    if foreign == [0] and min(values) == 1:
        free = f"0,background,{free_colour(classes)}"
        return (
            "0 beside classes that count from 1",
            f"write the line {free} into the class file if 0 is a class, or 0,void,,, "
            "if it is nothing",
        )
    from_zero = values == list(range(len(values)))
    if from_zero and foreign == [top + 1] and len(values) > 1 and VOID not in foreign:
        zero = ", 0 is void then" if 0 in there else ""
        more = f"; or write {top + 1},NAME,R,G,B into the class file if it is a class"
        listed = more if 0 in there else ""
        return (
            "labels that count from 1, the class file from 0",
            f"subtract it: {_option(prefix + 'first=1')}{zero}{listed}",
        )
    grid = [255 * k // (len(values) - 1) for k in range(len(values))] if top else []
    if foreign and grid and all(min(abs(v - g) for g in grid) <= 1 for v in there):
        # What is there, in place of what the grid says, which may be rounded up.
        levels = [next((v for v in there if abs(v - g) <= 1), g) for g in grid]
        what = "values stretched over 0..255"
    elif len(there) == len(values) or len(plain) == len(values):
        levels = there if len(there) == len(values) else plain
        what = "as many values as classes"
    else:
        return None
    pairs = ",".join(_pairs(levels, values))
    return (
        f"{what}, {_list(levels)}",
        f"if they are the classes in order, read them so: {_option(prefix + pairs)}"
        + ("" if prefix else _renumbered(levels, classes)),
    )


def _renumbered(levels: Sequence[int], classes: ClassTable) -> str:
    """The lines of the class file that say the same, where they are few."""
    rows = zip(classes.values, levels, classes.names, classes.colours, strict=True)
    lines = [
        f"{level},{name},{','.join(map(str, colour))}"
        for value, level, name, colour in sorted(rows)
        if value != level
    ]
    if len(lines) > _SHOWN or VOID in levels:
        return ""
    return f", or write {' and '.join(lines)} in the class file"


def _of_colours(tally: Tally, classes: ClassTable) -> tuple[str, str] | None:
    """As `_of_values`, of colour masks."""
    seen = tally.seen
    if not tally.known and all(colour % 0x10101 == 0 for colour in seen):
        values = Counter({colour % 256: pixels for colour, pixels in seen.items()})
        usual = {*classes.values, *classes.void_values, VOID}
        if VOID in values and len(values) == 2 and len(classes) > 1:
            (value,) = values.keys() - {VOID}
            if value in classes.values:
                what = "0 and 255 in three equal channels"
                return what, two_classes(value, classes, "grey,")
        if values.keys() <= usual:
            return (
                "class values in three equal channels",
                f"read them as values: {_option('grey')}",
            )
        found = _of_values(values, classes, "grey,")
        if found is not None:
            return f"grey in three channels, {found[0]}", found[1]
    few = len(tally.unknown) < _MANY
    # A few dark colours are no void with soft edges.
    voids = () if few else classes.void_colours
    known = _array((*classes.colours, *voids))
    codes = np.array(list(seen), np.int64)
    pixels = np.array(list(seen.values()), np.int64)
    colours = np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=1)
    plain, swapped = (_near(c, known) for c in (colours, colours[:, ::-1]))
    total = pixels.sum()
    if pixels[swapped].sum() > max(pixels[plain].sum(), 0.6 * total):
        exact = _exact(colours[:, ::-1], known).all()
        rules = "bgr" if exact else "bgr,nearest"
        return "red and blue swapped", f"swap them back: {_option(rules)}"
    unknown = np.array([code in tally.unknown for code in seen])
    far = unknown & ~plain
    heavy = far & (pixels > 0.02 * total)
    if heavy.any():
        return None
    if pixels[plain].sum() >= 0.6 * total and not (few and far.any()):
        return (
            f"soft edges or JPEG's traces, {unknown.sum()} colours between those of "
            "classes",
            f"take the nearest colour: {_option('nearest')}",
        )
    return None


def _lines(tally: Tally, classes: ClassTable) -> str:
    """The lines of the class file that name the most frequent of what is unknown."""
    most = [value for value, _ in tally.unknown.most_common(2)]
    if tally.encoding == "index":
        lines = [f"{value},NAME,{free_colour(classes)}" for value in most]
    else:
        free = (v for v in range(VOID) if v not in classes.values)
        rgb = (_rgb(colour)[1:-1].replace(" ", "") for colour in most)
        lines = [f"{v},NAME,{c}" for v, c in zip(free, rgb, strict=False)]
    more = " (and so on)" if len(tally.unknown) > len(most) else ""
    return (
        f"write {' and '.join(lines)} into the class file{more}, or ignore them: "
        f"{_option(_and(classes, 'others=void'))}"
    )


def _named(unknown: Counter, encoding: str) -> str:
    is_index = encoding == "index"
    shown = ", ".join(
        f"{value if is_index else _rgb(value)} ({pixels} pixels)"
        for value, pixels in unknown.most_common(_SHOWN)
    )
    more = len(unknown) - _SHOWN
    return shown + (f" and {more} more" if more > 0 else "")


def _beside_strays(seen: Counter, count: int) -> list[int]:
    """The `count` values, sorted, that all but a few stray pixels have; or none."""
    ranked = seen.most_common()
    rest = sum(pixels for _, pixels in ranked[count:])
    if len(ranked) <= count or rest > _STRAYS * seen.total():
        return []
    clear = ranked[count - 1][1] >= 10 * rest
    return sorted(value for value, _ in ranked[:count]) if clear else []


def _peaks(seen: Counter, count: int) -> list[int]:
    """The `count` most frequent values that are not next to one another, sorted."""
    apart = 128 // max(count, 1) // 2
    peaks: list[int] = []
    for value, _ in seen.most_common():
        if len(peaks) < count and all(abs(value - peak) > apart for peak in peaks):
            peaks.append(value)
    return sorted(peaks)


def _stand_out(seen: Counter, peaks: Sequence[int]) -> bool:
    """Whether most pixels are at the peaks, and each is far above what lies between."""
    near = sum(n for v, n in seen.items() if any(abs(v - p) <= 8 for p in peaks))
    usual = np.median(list(seen.values()))
    lowest = min(seen[peak] for peak in peaks)
    return near >= 0.5 * seen.total() and lowest >= 4 * usual


def _pairs(levels: Sequence[int], values: Sequence[int]) -> list[str]:
    return [f"{a}={b}" for a, b in zip(levels, values, strict=True)]


def _array(colours: Sequence[Sequence[int]]) -> np.ndarray:
    return np.array(colours, np.int64).reshape(-1, 3)


def _distance(colours: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(N,): the largest difference in a channel from the nearest of the known."""
    away = np.full(len(colours), 255)
    for colour in known:
        away = np.minimum(away, np.abs(colours - colour).max(axis=1))
    return away


def _near(colours: np.ndarray, known: np.ndarray) -> np.ndarray:
    return _distance(colours, known) <= _NEAR


def _exact(colours: np.ndarray, known: np.ndarray) -> np.ndarray:
    return _distance(colours, known) == 0


def free_colour(classes: ClassTable) -> str:
    """A grey that no class has, as a line of a class file says it."""
    taken = {*classes.colours, *classes.void_colours}
    grey = next(
        g for g in (64, 96, 160, 192, 32, 224, *range(256)) if (g,) * 3 not in taken
    )
    return f"{grey},{grey},{grey}"


def _rgb(code: int) -> str:
    return f"({code >> 16}, {code >> 8 & 255}, {code & 255})"


def _and(classes: ClassTable, rule: str) -> str:
    return ",".join(filter(None, (str(classes.reading), rule)))


def _list(values: Sequence[int]) -> str:
    shown = ", ".join(map(str, values[:6]))
    return shown + (", ..." if len(values) > 6 else "")


def _option(rules: str) -> str:
    return f"--read-labels {rules}"
