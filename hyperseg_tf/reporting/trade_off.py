"""Scores against costs: own runs, and the models that the paper's figures 1 and 4 show.

A score is of a protocol, so every protocol and every set of data is a series of its own
mark and colour, named in the legend; nothing joins points of two of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hyperseg_tf.presets.paper_scores import CAMVID, CITYSCAPES, SCORES, VOC, Printed
from hyperseg_tf.reporting.axes import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    frame,
    legend,
    scale,
    short,
    svg,
)
from hyperseg_tf.reporting.costs import Costs
from hyperseg_tf.reporting.markup import Markup, cut, element, table
from hyperseg_tf.reporting.run import Run

WIDTH, HEIGHT = 460, 360
_OWN_COLOURS = ("#d55e00", "#a3174f", "#7a4a00", "#e0489a")
_PAPER = {CITYSCAPES: "#0072b2", CAMVID: "#00805e", VOC: "#7b3fa0"}
_MARKS = {CITYSCAPES: "circle", CAMVID: "square", VOC: "triangle"}
_LONGEST = 22
# About how wide one is, in pixels.
_LETTER = 7.2

# Left, top, right, bottom.
Box = tuple[float, float, float, float]

# What a chart has along its axis: own costs, and the paper's figures.
_AXES = (
    (
        "GFLOPs",
        "billions of multiply-adds of an image, as the paper counts",
        lambda costs: costs.count and costs.count.flops / 1e9,
        lambda row: row.gflops,
    ),
    (
        "parameters",
        "parameters in millions",
        lambda costs: costs.count and costs.count.parameters / 1e6,
        lambda row: row.parameters_m,
    ),
    (
        "latency",
        "milliseconds of an image, on the machine that the legend names",
        lambda costs: costs.timed and costs.timed.median_ms,
        lambda row: row.fps and 1000 / row.fps,
    ),
)


@dataclass(frozen=True)
class Point:
    """One model in a chart.

    Attributes:
        name: Beside its mark; empty where there is only a mark.
        said: Shown when it is pointed at.
        x: Cost.
        y: mIoU in per cent.
        series: What its score is of.
        mark: "circle", "square", "triangle" or "diamond".
        colour: Of the series.
        is_hollow: Of somebody else's model.
    """

    name: str
    said: str
    x: float
    y: float
    series: str
    mark: str
    colour: str
    is_hollow: bool = False


def trade_offs(runs: Sequence[Run], costs: Sequence[Costs]) -> Markup:
    """Charts of mIoU against GFLOPs, parameters and latency, and their numbers.

    Args:
        runs: At least one.
        costs: Of each run.
    """
    charts = []
    for what, x_title, of_costs, printed in _AXES:
        own = own_points(runs, costs, of_costs, what)
        if own:
            charts.append(_chart(what, x_title, [*own, *_paper(printed, what)]))
    if not charts:
        return element(
            "p",
            "Without model.keras or a latency there is nothing to draw scores against.",
        )
    return element("div", element("div", charts, class_="charts"), _printed())


def own_points(runs, costs, of_costs, what: str) -> list[Point]:
    """Own runs: each evaluation a point, the training's validation where none is."""
    points, colours = [], {}
    for run, cost in zip(runs, costs, strict=True):
        x = of_costs(cost)
        if x is None or x <= 0:
            continue
        for title, miou in scores(run):
            series = title
            if what == "latency":
                series = f"{title}; {cut(cost.timed.device, 60)}"
            colour = colours.setdefault(
                series, _OWN_COLOURS[len(colours) % len(_OWN_COLOURS)]
            )
            said = f"{run.name}: {miou:.2f} % at {short(x)}, {series}"
            points.append(Point(run.name, said, x, miou, series, "diamond", colour))
    return points


def scores(run: Run) -> list[tuple[str, float]]:
    """What the scores of a run are of, and mIoU in per cent."""
    found = [
        (f"own runs: {scored.title}", 100 * scored.miou)
        for scored in run.beside.scored
        if scored.miou is not None
    ]
    if found or not 0 <= run.best["val_miou"] <= 1:
        return found
    data = str(run.data.get("directory", "?")).rstrip("/").rpartition("/")[2]
    title = f"own runs: validation of the training on {data} {run.validation['split']}"
    return [(title, 100 * run.best["val_miou"])]


def _paper(printed, what: str) -> list[Point]:
    points = []
    for row in SCORES:
        x = printed(row)
        if x:
            machine = "; GTX 1080 Ti" if what == "latency" else ""
            said = f"{row.method}: {row.miou} % at {short(x)}, {row.benchmark} (paper)"
            points.append(
                Point(
                    row.method if row.is_hyperseg else "",
                    said,
                    x,
                    row.miou,
                    f"paper: {row.benchmark}{machine}",
                    _MARKS[row.benchmark],
                    _PAPER[row.benchmark],
                    not row.is_hyperseg,
                )
            )
    return points


def _chart(what: str, x_title: str, points: Sequence[Point]) -> Markup:
    ends = (LEFT, WIDTH - RIGHT)
    x = scale([point.x for point in points], *ends, logarithmic=True)
    y = scale([point.y for point in points], HEIGHT - BOTTOM, TOP)
    title = f"mIoU against {what}"
    parts = frame(title, x_title, x, y, "mIoU in %, each of its own protocol")
    # Names keep clear of all marks, and of each other.
    taken = [_box(x(point.x), y(point.y), 6, 6) for point in points]
    for point in sorted(points, key=lambda point: not point.is_hollow):
        parts.append(_mark(point, x(point.x), y(point.y)))
    for point in points:
        if point.name:
            parts.append(_name(point, x(point.x), y(point.y), taken))
    entries = {}
    for point in points:
        key = (point.series, point.is_hollow)
        who = {"paper": ", others" if point.is_hollow else ", HyperSeg"}
        kind = who.get(point.series.partition(":")[0], "")
        entries.setdefault(key, (_mark(point, 13, 6), f"{point.series}{kind}"))
    return element(
        "figure", svg(WIDTH, HEIGHT, title, parts), legend(list(entries.values()))
    )


def _name(point: Point, x: float, y: float, taken: list[Box]) -> Markup:
    """The name at the side of its mark where it covers least; `taken` gets its box."""
    name = cut(point.name, _LONGEST)
    half = _LETTER * len(name) / 2
    sides = [
        (x + side * (9 + half), y + up)
        for up in (0, -13, 13, -24, 24)
        for side in (1, -1)
    ]
    sides = [(a, b) for a, b in sides if LEFT < a - half and a + half < WIDTH]
    middle, line = min(
        sides or [(x, y - 14)],
        key=lambda place: _covered(_box(*place, half, 6), taken),
    )
    taken.append(_box(middle, line, half, 6))
    place = {"x": round(middle, 1), "y": round(line + 4, 1)}
    return element("text", name, text_anchor="middle", fill=point.colour, **place)


def _box(x: float, y: float, half_width: float, half_height: float) -> Box:
    return x - half_width, y - half_height, x + half_width, y + half_height


def _covered(box: Box, taken: Sequence[Box]) -> float:
    """How much of other boxes a box covers, in square pixels."""
    total = 0.0
    for other in taken:
        width = min(box[2], other[2]) - max(box[0], other[0])
        height = min(box[3], other[3]) - max(box[1], other[1])
        total += max(width, 0) * max(height, 0)
    return total


def _mark(point: Point, x: float, y: float) -> Markup:
    size = 3.2 if point.is_hollow else 5 if point.mark != "diamond" else 6
    look = {
        "fill": "#fff" if point.is_hollow else point.colour,
        "stroke": point.colour,
        "stroke_width": 1.4,
    }
    said = element("title", point.said)
    if point.mark == "circle":
        return element("circle", said, cx=x, cy=y, r=size, **look)
    corners = {
        "square": ((-1, -1), (1, -1), (1, 1), (-1, 1)),
        "triangle": ((0, -1.2), (1.1, 0.9), (-1.1, 0.9)),
        "diamond": ((0, -1.2), (1.2, 0), (0, 1.2), (-1.2, 0)),
    }[point.mark]
    points = " ".join(f"{x + a * size:g},{y + b * size:g}" for a, b in corners)
    return element("polygon", said, points=points, **look)


def _printed() -> Markup:
    rows = [_row(row) for row in SCORES]
    header = ("method", "backbone", "score of", "mIoU %", "FPS", "GFLOPs", "M par.")
    return element(
        "details",
        element("summary", "The paper's numbers"),
        element(
            "p",
            "As printed in tables 2, 3 and 4 of the HyperSeg paper; frames per second "
            "on a GTX 1080 Ti. CamVid's GFLOPs are not printed.",
        ),
        table(header, rows),
    )


def _row(row: Printed) -> tuple:
    costs = (row.fps, row.gflops, row.parameters_m)
    shown = ("–" if value is None else f"{value:g}" for value in costs)
    return (row.method, row.backbone, row.benchmark, f"{row.miou:.1f}", *shown)
