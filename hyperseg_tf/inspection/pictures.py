"""The pictures of an inspection.

Axes count patches: patch (i, j) is centred at x = j, y = i in maps and in the picture
alike, so that it can be read off anywhere and given to `--patch`.
"""

import textwrap
import warnings
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator
from PIL import Image

from hyperseg_tf import visualise
from hyperseg_tf.inspection.result import Inspection, statistics

PICTURES = ("prediction", "norms", "components", "similarity", "signal")

_DPI = 110

# Colour-blind readers tell them apart, and so does everybody on grey paper.
_SEQUENTIAL, _DIVERGING = "viridis", "PuOr"
_PARTS = {"pw1": "#0072B2", "dw": "#E69F00", "pw2": "#56B4E9"}
_SLICE = "#009E73"

_PADDING = {"fc": "#eeeeee", "ec": "#999999", "hatch": "///", "lw": 0}
_UNUSED = {"fc": "#eeeeee", "ec": "#cccccc", "hatch": "//", "lw": 0}

# Larger pictures are drawn with fewer pixels, borders of classes with fewer still.
_PICTURE_SIDE, _BORDER_SIDE = 1600, 500


def draw(found: Inspection, folder: Path) -> None:
    """Write `<name>.png` for each of `PICTURES`."""
    makers = (_prediction, _norms, _components, _similarity, _signal)
    for name, make in zip(PICTURES, makers, strict=True):
        figure = make(found)
        FigureCanvasAgg(figure)
        with warnings.catch_warnings():
            # A name in letters that the font lacks is no reason to trouble anybody.
            warnings.filterwarnings("ignore", message="Glyph")
            # Laid out once: savefig would do it again.
            figure.draw_without_rendering()
            figure.set_layout_engine("none")
            box = figure.get_tightbbox().padded(0.15)
            # The figures of tall pictures are narrow.
            dpi = max(_DPI, 1000 / (box.width - 0.1))
            figure.savefig(folder / f"{name}.png", dpi=dpi, bbox_inches=box)


def _prediction(found):
    figure, panels = _panels(found, 1, 2, 7, "Picture, class map and patch grid")
    painted = visualise.colourise(found.label, found.colours)
    for axes, title, pixels in (
        (panels[0, 0], "picture", found.image),
        (panels[0, 1], "predicted classes", painted),
    ):
        _picture(axes, found, pixels)
        axes.set_title(title)
    present = visualise.classes_in(found.label, len(found.names))
    classes = [
        Patch(fc=found.colours[i] / 255, ec="grey", label=_plain(found.names[i]))
        for i in present
    ]
    _legend(figure, found, classes)
    return figure


def _norms(found):
    title = "L2 norm of the weights generated for each patch"
    figure, panels = _level_panels(found, title)
    for axes, (i, level) in zip(panels, enumerate(found.levels), strict=True):
        mean, low, high = statistics(level.norms)
        drawn = _map(axes, found, level.norms, _SEQUENTIAL, *_widened(low, high))
        figure.colorbar(drawn, ax=axes, label="L2 norm")
        axes.set_title(f"{_name(i, level)}\nmean {mean:.4g}, {low:.4g} to {high:.4g}")
    return figure


def _similarity(found):
    title = f"Cosine similarity of the generated weights to {found.compared}"
    figure, panels = _level_panels(found, title)
    values = np.stack([level.similarities for level in found.levels])
    # One range for all levels, so that they can be compared.
    low = np.nanmin(values) if np.isfinite(values).any() else 0.0
    for axes, (i, level) in zip(panels, enumerate(found.levels), strict=True):
        values = level.similarities
        drawn = _map(axes, found, values, _SEQUENTIAL, *_widened(min(low, 0.95), 1))
        figure.colorbar(drawn, ax=axes, label="cosine")
        mean = found.mean_similarity(i)
        mean = "no other patch" if np.isnan(mean) else f"mean of the others {mean:.3f}"
        axes.set_title(f"{_name(i, level)}\n{mean}")
    return figure


def _components(found):
    title = (
        "Principal components of the generated weights over the patches; white, or "
        "grey in RGB, is the mean patch"
    )
    shown = [(i, level) for i, level in enumerate(found.levels) if not level.note]
    notes = [f"level {i}: {lv.note}" for i, lv in enumerate(found.levels) if lv.note]
    if not shown:
        figure, panels = _panels(found, 1, 1, 12, title, "; ".join(notes))
        _picture(panels[0, 0], found, found.image)
        _legend(figure, found)
        return figure
    figure, panels = _panels(found, len(shown), 4, 4.4, title, "; ".join(notes))
    for row, (i, level) in zip(panels, shown, strict=True):
        # Each component fills the range of its colour; grey is the mean patch.
        reach = np.nanmax(np.abs(level.components), axis=(0, 1))
        colours = 0.5 + 0.5 * level.components / np.where(reach > 0, reach, 1)
        _map(row[0], found, np.nan_to_num(colours, nan=1.0))
        share = 100 * level.explained.sum()
        row[0].set_title(f"{_name(i, level)}\nRGB = components 1, 2, 3: {share:.1f} %")
        for k, axes in enumerate(row[1:]):
            high = reach[k] or 1.0
            values = level.components[..., k]
            drawn = _map(axes, found, values, _DIVERGING, -high, high)
            figure.colorbar(drawn, ax=axes)
            share = 100 * level.explained[k]
            axes.set_title(f"component {k + 1}\n{share:.1f} % of the variance")
    _legend(figure, found, borders=True)
    return figure


def _signal(found):
    channels, heads = len(found.signal), found.heads
    figure = Figure(figsize=(15, 4.6 + 0.8 * len(heads)), layout="constrained")
    overlap = "slices overlap" if found.readers.max() > 1 else "slices are disjoint"
    unused = int((found.readers == 0).sum())
    used = f"{unused} channels are unused" if unused else "all channels are used"
    title = f"Where the {channels} channels of the signal go: {overlap}, {used}"
    _headline(figure, found, title)
    grid = figure.add_gridspec(
        3, 2, width_ratios=(3, 1), height_ratios=(0.8 * len(heads), 1, 1)
    )
    slices = figure.add_subplot(grid[0, 0])
    readers = figure.add_subplot(grid[1, 0], sharex=slices)
    strength = figure.add_subplot(grid[2, 0], sharex=slices)
    weights = figure.add_subplot(grid[0, 1], sharey=slices)
    _draw_slices(slices, found)
    _draw_weights(weights, found)

    edges = np.arange(channels + 1)
    readers.stairs(found.readers, edges, fill=True, color="#555555")
    readers.set_ylabel("heads that\nread it")
    readers.set_ylim(0, found.readers.max() + 0.4)
    readers.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    strength.stairs(found.signal, edges, fill=True, color="#555555")
    strength.set_ylabel("root mean\nsquare")
    strength.set_xlabel("channel of the signal")
    for axes in (slices, readers, strength):
        for first, last in found.unused:
            axes.axvspan(first, last + 1, zorder=0, **_UNUSED)
        axes.set_xlim(0, channels)
    note = figure.add_subplot(grid[1:, 1])
    note.set_axis_off()
    parts = ("first or only 1x1", "depthwise", "last 1x1 convolution")
    swatches = [
        Patch(fc=colour, label=f"{part}: {what}")
        for (part, colour), what in zip(_PARTS.items(), parts, strict=True)
    ]
    swatches.append(Patch(fc=_SLICE, ec="black", lw=0.6, label="group of channels"))
    if found.unused:
        swatches.append(Patch(label="channels that no head reads", **_UNUSED))
    note.legend(handles=swatches, loc="center", fontsize=11)
    return figure


def _draw_slices(axes, found):
    """One bar per head over the channels that it reads, cut into its groups."""
    channels = len(found.signal)
    for i, head in enumerate(found.heads):
        end = head.offset + head.channels
        axes.barh(i, head.channels, 0.4, head.offset, color=_SLICE, align="edge")
        depth = head.channels // head.groups
        cuts = np.arange(head.offset, end + 1, max(depth, 1))
        axes.vlines(cuts, i, i + 0.4, color="black", lw=0.4)
        left = head.offset < 0.7 * channels  # else the text would leave the axes
        axes.text(
            head.offset + 0.003 * channels if left else end - 0.003 * channels,
            i - 0.06,
            f"channels {head.offset} to {end - 1}: {head.groups} groups of {depth}",
            ha="left" if left else "right",
            fontsize=11,
        )
    names = []
    for i in range(len(found.heads)):
        levels = found.levels_of(i)
        which = "level" if len(levels) == 1 else "levels"
        names.append(f"head {i}\nfor {which} {', '.join(map(str, levels))}")
    axes.set_yticks(np.arange(len(names)) + 0.2, names, fontsize=11)
    axes.set_ylim(len(names) - 0.4, -0.5)
    axes.set_title("slice of the signal that each weight head reads")
    axes.tick_params(labelbottom=False)


def _draw_weights(axes, found):
    """One bar per head: the weights it makes, level by level, part by part."""
    most = max(head.units for head in found.heads)
    for i in range(len(found.heads)):
        for k in found.levels_of(i):
            layout = found.levels[k].layout
            start = layout.start
            for part, (count, _) in zip(_PARTS, layout.fan_ins, strict=False):
                axes.barh(i, count, 0.4, start, color=_PARTS[part], align="edge")
                start += count
            axes.vlines([layout.start, start], i, i + 0.4, color="black", lw=1.2)
        text = " + ".join(str(found.levels[k].layout.size) for k in found.levels_of(i))
        axes.text(0.01 * most, i - 0.06, f"{text} weights", fontsize=11)
    axes.set_xlim(0, 1.08 * most)
    axes.set_title("weights per patch")
    axes.tick_params(labelleft=False)
    axes.xaxis.set_major_locator(MaxNLocator(4))


def _level_panels(found, title):
    """The picture, then one panel per level: the figure and the axes of the levels."""
    columns, width = (3, 5) if len(found.levels) < 6 else (4, 5)
    if _shape(found) < 0.2:
        columns, width = 1, 15
    rows = -(-(len(found.levels) + 1) // columns)
    figure, panels = _panels(found, rows, columns, width, title)
    first, *others = panels.flat
    _picture(first, found, found.image)
    first.set_title("picture")
    for axes in others[len(found.levels) :]:
        axes.set_visible(False)
    _legend(figure, found, borders=True)
    return figure, others[: len(found.levels)]


def _panels(found, rows, columns, width, title, *notes):
    """A figure of panels that have the shape of the padded picture."""
    shape = float(np.clip(_shape(found), 0.05, 1.6))
    size = (columns * width, rows * (0.8 * width * shape + 0.8) + 1.6)
    figure = Figure(figsize=size, layout="compressed")
    _headline(figure, found, title, *notes)
    return figure, figure.subplots(rows, columns, squeeze=False)


def _shape(found):
    """Height over width of the padded picture."""
    (h, w), (height, width) = found.grid.shape, found.grid.cell
    return h * height / (w * width)


def _headline(figure, found, title, *notes):
    model = Path(found.model).name
    source = Path(found.source).name if found.source else "picture"
    lines = [title, f"{model} on {source}", *found.remarks, *filter(None, notes)]
    width = int(figure.get_figwidth() * 7)
    lines = [part for line in lines for part in textwrap.wrap(_plain(line), width)]
    figure.suptitle("\n".join(lines), fontsize=14)


def _picture(axes, found, pixels):
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


def _map(axes, found, values, colours=None, low=None, high=None):
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


def _legend(figure, found, handles=(), borders=False):
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


def _name(index, level):
    layout = level.layout
    kernel = f"{layout.kernel_size}x{layout.kernel_size}"
    return f"level {index} ({kernel}), {layout.size} weights"


def _widened(low, high):
    """The range, or a little more where it is empty, which no scale can show."""
    margin = 0 if high > low else 0.05 * abs(low) or 0.5
    return low - margin, high + margin


def _plain(text):
    return text.replace("$", r"\$")
