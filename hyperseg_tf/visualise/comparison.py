"""Predictions beside their labels: a row a sample, a named column a view of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from hyperseg_tf.base.constants import VOID
from hyperseg_tf.visualise.class_map import Colours, overlay, with_legend
from hyperseg_tf.visualise.distinct import drawn_palette

COLUMNS = ("image", "label", "prediction", "errors")
RIGHT, WRONG = (60, 160, 60), (230, 30, 30)
_GAP = 8
_BARE = (255, 255, 255)


@dataclass(frozen=True)
class Compared:
    """One sample.

    Attributes:
        image: uint8 (H, W, 3) RGB.
        label: Integer (H, W); 255 is void.
        prediction: Integer (H, W).
        title: Above it, such as its file name; cut where it is too long.
    """

    image: np.ndarray
    label: np.ndarray
    prediction: np.ndarray
    title: str


@dataclass(frozen=True)
class Places:
    """Where `compared` puts what, in pixels.

    Attributes:
        font_size: Of names and titles.
        line: Height of a line of them.
        lefts: Of the columns.
        tops: Of the pictures of each sample; its title is the line above.
        width: Of the whole.
        height: Of the whole, without legend.
    """

    font_size: int
    line: int
    lefts: tuple[int, ...]
    tops: tuple[int, ...]
    width: int
    height: int


def compared(
    rows: Sequence[Compared], names: Sequence[str], colours: Colours
) -> np.ndarray:
    """Draw image, label, prediction and errors of each sample.

    Errors are red, what is right green; void is the bare image in every column. The
    legend has the classes that are there.

    Args:
        rows: At least one; of any sizes.
        names: One per class.
        colours: One RGB triple (or None) per class; drawn as `drawn_palette` has them.

    Returns:
        uint8 (H', W', 3).
    """
    at = places(rows)
    table = drawn_palette(len(names), colours)
    canvas = Image.new("RGB", (at.width, at.height), "white")
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(at.font_size)
    for left, name in zip(at.lefts, COLUMNS, strict=True):
        draw.text((left + 2, 2), name, fill=(0, 0, 0), font=font)
    seen = np.zeros(256, bool)
    for top, row in zip(at.tops, rows, strict=True):
        title = _fitting(row.title, font, at.width - 4)
        draw.text((2, top - at.line + 2), title, fill=(70, 70, 70), font=font)
        for left, view in zip(at.lefts, _views(row, table), strict=True):
            canvas.paste(Image.fromarray(view), (left, top))
        seen[np.unique(row.label)] = True
        seen[np.unique(row.prediction)] = True
    entries = [(names[k], table[k].tolist()) for k in np.flatnonzero(seen[:VOID])]
    if seen[VOID]:
        entries.append(("(void: bare image)", _BARE))
    entries += [("(right)", RIGHT), ("(wrong)", WRONG)]
    listed, painted = zip(*entries, strict=True)
    return with_legend(np.asarray(canvas), listed, painted, at.font_size)


def places(rows: Sequence[Compared]) -> Places:
    """Lay samples out; columns are as wide as the widest image, or as their names."""
    widest = max(row.image.shape[1] for row in rows)
    size = int(np.clip(widest // 17, 13, 40))
    font, line = ImageFont.load_default(size), round(size * 1.5)
    column = max(widest, *(math.ceil(font.getlength(n)) + 4 for n in COLUMNS))
    tops, top = [], line
    for row in rows:
        tops.append(top + line)
        top = tops[-1] + row.image.shape[0] + _GAP // 2
    lefts = tuple(i * (column + _GAP) for i in range(len(COLUMNS)))
    return Places(size, line, lefts, tuple(tops), lefts[-1] + column, top)


def _views(row: Compared, table: np.ndarray) -> list[np.ndarray]:
    wrong = np.where(row.label == VOID, VOID, row.label != row.prediction)
    return [
        row.image,
        overlay(row.image, row.label, table),
        overlay(row.image, row.prediction, table),
        overlay(row.image, wrong.astype(np.uint8), (RIGHT, WRONG)),
    ]


def _fitting(text: str, font, width: int) -> str:
    """The text, its middle left out where it is wider than that many pixels."""
    text = "".join(c if c.isprintable() else "?" for c in text[:500])
    shown, keep = text, len(text)
    while font.getlength(shown) > width and keep > 2:
        keep -= max(1, keep // 10)
        shown = f"{text[: keep // 2]} ... {text[len(text) - keep // 2 :]}"
    return shown
