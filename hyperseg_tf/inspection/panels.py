"""Panels of figures: the picture under the patch grid, and maps of one value per patch.

Axes count patches: patch (i, j) is centred at x = j, y = i in maps and in the picture
alike, so that it can be read off anywhere and given to `--patch`.
"""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from PIL import Image

from hyperseg_tf.inspection.result import Inspection, LevelWeights

_PADDING = {"fc": "#eeeeee", "ec": "#999999", "hatch": "///", "lw": 0}

# Larger pictures are drawn with fewer pixels, borders of classes with fewer still.
_PICTURE_SIDE, _BORDER_SIDE = 1600, 500


def level_panels(found: Inspection, title: str) -> tuple[Figure, list[Axes]]:
    """The picture, then one panel per level: the figure and the axes of the levels."""
    columns, width = (3, 5) if len(found.levels) < 6 else (4, 5)
    if _shape(found) < 0.2:
        columns, width = 1, 15
    rows = -(-(len(found.levels) + 1) // columns)
    figure, panels = panels_of(found, rows, columns, width, title)
    first, *others = panels.flat
    draw_picture(first, found, found.image)
    first.set_title("picture")
    for axes in others[len(found.levels) :]:
        axes.set_visible(False)
    add_legend(figure, found, borders=True)
    return figure, others[: len(found.levels)]


def panels_of(
    found: Inspection, rows: int, columns: int, width: float, title: str, *notes: str
) -> tuple[Figure, np.ndarray]:
    """A figure and its (rows, columns) axes, in the shape of the padded picture."""
    shape = float(np.clip(_shape(found), 0.05, 1.6))
    size = (columns * width, rows * (0.8 * width * shape + 0.8) + 1.6)
    figure = Figure(figsize=size, layout="compressed")
    headline(figure, found, title, *notes)
    return figure, figure.subplots(rows, columns, squeeze=False)


def _shape(found):
    """Height over width of the padded picture."""
    (h, w), (height, width) = found.grid.shape, found.grid.cell
    return h * height / (w * width)


def headline(figure: Figure, found: Inspection, title: str, *notes: str) -> None:
    """Title, model and picture, and what must be known before the numbers are read."""
    model = Path(found.model).name
    source = Path(found.source).name if found.source else "picture"
    lines = [title, f"{model} on {source}", *found.remarks, *filter(None, notes)]
    width = int(figure.get_figwidth() * 7)
    lines = [part for line in lines for part in textwrap.wrap(plain(line), width)]
    figure.suptitle("\n".join(lines), fontsize=14)


def draw_picture(axes: Axes, found: Inspection, pixels: np.ndarray) -> None:
    """The picture below the lines of the patch grid."""
    (height, width), cell = found.grid.size, found.grid.cell
    picture = Image.fromarray(pixels)
    picture.thumbnail((_PICTURE_SIDE, _PICTURE_SIDE))
    extent = (-0.5, width / cell[1] - 0.5, height / cell[0] - 0.5, -0.5)
    axes.imshow(np.asarray(picture), extent=extent, aspect=cell[0] / cell[1])
    h, w = found.grid.shape
    line = float(np.clip(20 / max(h, w), 0.25, 0.8))
    for lines, others, draw_lines in ((h, w, axes.hlines), (w, h, axes.vlines)):
        places = np.arange(lines + 1) - 0.5
        draw_lines(places, -0.5, others - 0.5, color="white", lw=line, alpha=0.7)
    _finish(axes, found)


def draw_map(
    axes: Axes,
    found: Inspection,
    values: np.ndarray,
    colours: str | None = None,
    low: float | None = None,
    high: float | None = None,
) -> AxesImage:
    """One value, or one colour, per patch, and the borders of the predicted classes."""
    aspect = found.grid.cell[0] / found.grid.cell[1]
    drawn = axes.imshow(values, cmap=colours, vmin=low, vmax=high, aspect=aspect)
    if not found.random:
        (height, width), cell = found.grid.size, found.grid.cell
        extent = (-0.5, width / cell[1] - 0.5, height / cell[0] - 0.5, -0.5)
        axes.imshow(_borders(found.label), extent=extent, aspect=aspect)
    _finish(axes, found)
    return drawn


def _finish(axes, found):
    """Mark the chosen patch and the padding; count patches along the sides."""
    (h, w), (rows, columns) = found.grid.shape, found.grid.inside
    for left, top, width, height in (
        (columns, 0, w - columns, h),
        (0, rows, columns, h - rows),
    ):
        corner = (left - 0.5, top - 0.5)
        if width and height:
            axes.add_patch(Rectangle(corner, width, height, **_PADDING))
    row, column = found.patch
    width = float(np.clip(60 / max(h, w), 1, 2))
    for colour, line in (("black", 2.2 * width), ("white", width)):
        corner = (column - 0.5, row - 0.5)
        mark = Rectangle(corner, 1, 1, fill=False, ec=colour, lw=line, clip_on=False)
        axes.add_patch(mark)
    axes.set_xlim(-0.5, w - 0.5)
    axes.set_ylim(h - 0.5, -0.5)
    axes.set_facecolor("#dddddd")
    for axis, cells in ((axes.xaxis, w), (axes.yaxis, h)):
        axis.set_ticks(range(0, cells, -(-cells // 10)))


def _borders(label):
    """RGBA (H, W, 4): dark where a pixel differs from the next, else transparent."""
    step = -(-max(label.shape) // _BORDER_SIDE)
    label = label[::step, ::step]
    differs = np.zeros(label.shape, bool)
    differs[:-1] |= label[:-1] != label[1:]
    differs[:, :-1] |= label[:, :-1] != label[:, 1:]
    pixels = np.zeros((*label.shape, 4), np.uint8)
    pixels[differs] = (0, 0, 0, 120)
    return pixels


def add_legend(
    figure: Figure,
    found: Inspection,
    handles: Sequence[Artist] = (),
    borders: bool = False,
) -> None:
    """Below the panels: `handles`, the chosen patch, padding, borders of classes."""
    row, column = found.patch
    mark = {"marker": "s", "mfc": "white", "mec": "black", "mew": 2, "ms": 10, "lw": 0}
    handles = [*handles, Line2D([], [], label=f"patch {row},{column}", **mark)]
    if found.grid.inside != found.grid.shape:
        handles.append(Patch(label="padding", **_PADDING))
    if borders and not found.random:
        label = "borders of the predicted classes"
        handles.append(Line2D([], [], color="black", alpha=0.6, label=label))
    columns = max(1, int(figure.get_figwidth() // 2.2))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns)


def level_name(index: int, level: LevelWeights) -> str:
    """A level in the title of its panel."""
    layout = level.layout
    kernel = f"{layout.kernel_size}x{layout.kernel_size}"
    return f"level {index} ({kernel}), {layout.size} weights"


def widened(low: float, high: float) -> tuple[float, float]:
    """The range, or a little more where it is empty, which no scale can show."""
    margin = 0 if high > low else 0.05 * abs(low) or 0.5
    return low - margin, high + margin


def plain(text: str) -> str:
    """The text without formulas: a dollar would begin one."""
    return text.replace("$", r"\$")
