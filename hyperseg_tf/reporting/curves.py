"""Values over the epochs as lines."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hyperseg_tf.reporting.axes import (
    BOTTOM,
    COLOURS,
    DASHES,
    LEFT,
    RIGHT,
    TOP,
    frame,
    legend,
    scale,
    short,
    svg,
)
from hyperseg_tf.reporting.markup import Markup, element

WIDTH, HEIGHT = 440, 270
# No larger numbers are drawn: differences of such would not be finite.
_LARGEST = 1e100
_MARKED = 60


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Attributes:
        name: For the legend.
        points: (epoch, value); what is not finite is left out, as a gap.
        best: Epoch to be marked.
    """

    name: str
    points: Sequence[tuple[int, float]]
    best: int | None = None


def chart(title: str, lines: Sequence[Line], best: int | None = None) -> Markup:
    """A chart of lines over epochs, with a legend where there is more than one.

    Args:
        title: Above it.
        lines: At least one.
        best: Epoch that a vertical line marks.
    """
    epochs = [x for line in lines for x, _ in line.points if abs(x) < _LARGEST]
    values = [y for line in lines for _, y in line.points if _is_drawn(y)]
    if not values:
        nothing = element("p", f"{title}: no finite number in log.csv")
        return element("figure", nothing)
    x = scale(epochs, LEFT, WIDTH - RIGHT, whole=True)
    y = scale(values, HEIGHT - BOTTOM, TOP)
    parts = frame(title, "epoch", x, y, whole=True)
    if best is not None and x.low <= best <= x.high:
        at = x(best)
        parts.append(element("line", x1=at, x2=at, y1=TOP, y2=y.start, class_="best"))
    entries = []
    for number, line in enumerate(lines):
        look = _look(number)
        parts += _drawn(line, x, y, look)
        mark = element("line", x1=1, x2=25, y1=6, y2=6, class_="line", **look)
        entries.append((mark, line.name))
    if best is not None:
        mark = element("line", x1=13, x2=13, y1=0, y2=12, class_="best")
        entries.append((mark, f"best epoch, {best}"))
    picture = svg(WIDTH, HEIGHT, title, parts)
    named = legend(entries) if len(entries) > 1 else None
    return element("figure", picture, named)


def _drawn(line: Line, x, y, look: dict) -> list[Markup]:
    parts, piece = [], []
    for epoch, value in [*line.points, (0, math.nan)]:
        if _is_drawn(value):
            piece.append((x(epoch), y(value)))
            continue
        if len(piece) > 1:
            points = " ".join(f"{a:g},{b:g}" for a, b in piece)
            parts.append(element("polyline", points=points, class_="line", **look))
        piece = []
    marked = len(line.points) <= _MARKED
    for epoch, value in line.points:
        is_best = epoch == line.best
        if (marked or is_best) and _is_drawn(value):
            said = element("title", f"{line.name}, epoch {epoch}: {short(value)}")
            place = {"cx": x(epoch), "cy": y(value), "fill": look["stroke"]}
            parts.append(element("circle", said, r=5 if is_best else 2.2, **place))
    return parts


def _look(number: int) -> dict[str, str | None]:
    dashes = DASHES[number // len(COLOURS) % len(DASHES)]
    return {"stroke": COLOURS[number % len(COLOURS)], "stroke_dasharray": dashes}


def _is_drawn(value: float) -> bool:
    return math.isfinite(value) and abs(value) < _LARGEST
