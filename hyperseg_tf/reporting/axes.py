"""The frame of a chart as SVG: scales, round ticks, grid and titles.

A chart is about as wide as a telephone's screen, and a page puts several beside each
other where there is room: text in it stays as large as it was drawn.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hyperseg_tf.reporting.markup import Markup, element

LEFT, RIGHT, TOP, BOTTOM = 52, 14, 30, 42

# Colours that people tell apart who see red and green alike (Okabe and Ito), darkened
# where they are too light for a line on white.
COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#b8860b",
    "#56b4e9",
    "#333333",
    "#7b3fa0",
)
# A line that comes after all colours is dashed.
DASHES = (None, "6 3", "2 3")


@dataclass(frozen=True)
class Scale:
    """Values to positions of one axis.

    Attributes:
        low: Value at `start`.
        high: Value at `end`.
        start: Position in the picture.
        end: Position in the picture.
        logarithmic: Whether equal ratios are equally far apart; `low` is positive.
    """

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        """The position of a value."""
        low, high = self.low, self.high
        if self.logarithmic:
            value, low, high = (math.log10(x) for x in (value, low, high))
        share = (value - low) / (high - low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self) -> list[float]:
        """Round values within the scale, about five."""
        if self.logarithmic:
            return self._logarithmic_ticks()
        step = _round_step((self.high - self.low) / 5)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [step * i for i in range(first, last + 1)]

    def _logarithmic_ticks(self) -> list[float]:
        span = math.log10(self.high / self.low)
        leads = (1, 2, 5) if span < 2.5 else (1,)
        first = math.floor(math.log10(self.low))
        last = math.ceil(math.log10(self.high))
        every = max(1, (last - first) // 6)
        made = [
            lead * 10.0**power
            for power in range(first, last + 1, every)
            for lead in leads
        ]
        return [tick for tick in made if self.low <= tick <= self.high]


def scale(
    values: Sequence[float],
    start: float,
    end: float,
    *,
    logarithmic: bool = False,
    whole: bool = False,
) -> Scale:
    """A scale with a little room around the values, which are finite.

    Args:
        values: At least one; positive where `logarithmic`.
        start: Position of the low end.
        end: Position of the high end.
        logarithmic: Whether equal ratios are equally far apart.
        whole: Values are whole numbers, such as epochs, and lie at the very ends.
    """
    low, high = min(values), max(values)
    if logarithmic:
        return Scale(low / 1.25, high * 1.25, start, end, True)
    if whole:
        return Scale(low, high if high > low else low + 1, start, end)
    room = 0.06 * (high - low) or 0.1 * abs(high) or 0.5
    return Scale(low - room, high + room, start, end)


def frame(
    title: str,
    x_title: str,
    x: Scale,
    y: Scale,
    y_title: str = "",
    *,
    whole: bool = False,
) -> list[Markup]:
    """Grid, ticks and titles; what a chart is drawn upon."""
    left, right = x.start, x.end
    bottom, top = y.start, y.end
    parts = [_text(title, left, 18, class_="title")]
    for tick in y.ticks():
        at = y(tick)
        parts.append(_line(left, at, right, at, "grid"))
        parts.append(_text(short(tick), left - 6, at + 4, text_anchor="end"))
    for tick in x.ticks():
        if whole and tick != int(tick):
            continue
        at = x(tick)
        parts.append(_line(at, top, at, bottom, "grid"))
        parts.append(_text(short(tick), at, bottom + 16, text_anchor="middle"))
    middle = (left + right) / 2
    parts.append(_text(x_title, middle, bottom + 33, text_anchor="middle"))
    if y_title:
        turned = f"translate(13 {(top + bottom) / 2:.0f}) rotate(-90)"
        parts.append(element("text", y_title, transform=turned, text_anchor="middle"))
    return parts


def svg(
    width: float, height: float, title: str, parts: list[Markup], grows: bool = True
) -> Markup:
    """A picture, titled for who cannot see it; as wide as its place unless told."""
    sides = {} if grows else {"width": f"{width:g}", "height": f"{height:g}"}
    return element(
        "svg",
        element("title", title),
        parts,
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        **sides,
    )


def legend(entries: Sequence[tuple[Markup, str]]) -> Markup:
    """Marks (SVG around (13, 6) in a box of 26x16) and their names, below a chart."""
    items = [
        element(
            "li",
            element("svg", mark, viewBox="0 -2 26 16", width=26, height=16),
            element("span", name),
        )
        for mark, name in entries
    ]
    return element("ul", items, class_="legend")


def short(value: float) -> str:
    """A number with as many digits as an axis needs."""
    if value and not 1e-3 <= abs(value) < 1e5:
        return f"{value:.2g}"
    return f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}"


def _round_step(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return next(lead * power for lead in (1, 2, 5, 10) if lead * power >= step * 0.999)


def _line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def _text(text: str, x: float, y: float, **more) -> Markup:
    return element("text", text, x=x, y=y, **more)
