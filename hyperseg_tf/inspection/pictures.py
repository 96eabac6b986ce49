"""The pictures of an inspection."""

import warnings
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from hyperseg_tf import visualise
from hyperseg_tf.inspection.panels import (
    add_legend,
    draw_map,
    draw_picture,
    headline,
    level_name,
    level_panels,
    panels_of,
    plain,
    widened,
)
from hyperseg_tf.inspection.result import Inspection, statistics

PICTURES = ("prediction", "norms", "components", "similarity", "signal")

_DPI = 110

# Colour-blind readers tell them apart, and so does everybody on grey paper.
_SEQUENTIAL, _DIVERGING = "viridis", "PuOr"
_PARTS = {"pw1": "#0072B2", "dw": "#E69F00", "pw2": "#56B4E9"}
_SLICE = "#009E73"

_UNUSED = {"fc": "#eeeeee", "ec": "#cccccc", "hatch": "//", "lw": 0}


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
    figure, panels = panels_of(found, 1, 2, 7, "Picture, class map and patch grid")
    painted = visualise.colourise(found.label, found.colours)
    for axes, title, pixels in (
        (panels[0, 0], "picture", found.image),
        (panels[0, 1], "predicted classes", painted),
    ):
        draw_picture(axes, found, pixels)
        axes.set_title(title)
    present = visualise.classes_in(found.label, len(found.names))
    classes = [
        Patch(fc=found.colours[i] / 255, ec="grey", label=plain(found.names[i]))
        for i in present
    ]
    add_legend(figure, found, classes)
    return figure


def _norms(found):
    title = "L2 norm of the weights generated for each patch"
    figure, panels = level_panels(found, title)
    for axes, (i, level) in zip(panels, enumerate(found.levels), strict=True):
        mean, low, high = statistics(level.norms)
        drawn = draw_map(axes, found, level.norms, _SEQUENTIAL, *widened(low, high))
        figure.colorbar(drawn, ax=axes, label="L2 norm")
        numbers = f"mean {mean:.4g}, {low:.4g} to {high:.4g}"
        axes.set_title(f"{level_name(i, level)}\n{numbers}")
    return figure


def _similarity(found):
    title = f"Cosine similarity of the generated weights to {found.compared}"
    figure, panels = level_panels(found, title)
    values = np.stack([level.similarities for level in found.levels])
    # One range for all levels, so that they can be compared.
    low = np.nanmin(values) if np.isfinite(values).any() else 0.0
    for axes, (i, level) in zip(panels, enumerate(found.levels), strict=True):
        values = level.similarities
        drawn = draw_map(axes, found, values, _SEQUENTIAL, *widened(min(low, 0.95), 1))
        figure.colorbar(drawn, ax=axes, label="cosine")
        mean = found.mean_similarity(i)
        mean = "no other patch" if np.isnan(mean) else f"mean of the others {mean:.3f}"
        axes.set_title(f"{level_name(i, level)}\n{mean}")
    return figure


def _components(found):
    title = (
        "Principal components of the generated weights over the patches; white, or "
        "grey in RGB, is the mean patch"
    )
    shown = [(i, level) for i, level in enumerate(found.levels) if not level.note]
    notes = [f"level {i}: {lv.note}" for i, lv in enumerate(found.levels) if lv.note]
    if not shown:
        figure, panels = panels_of(found, 1, 1, 12, title, "; ".join(notes))
        draw_picture(panels[0, 0], found, found.image)
        add_legend(figure, found)
        return figure
    figure, panels = panels_of(found, len(shown), 4, 4.4, title, "; ".join(notes))
    for row, (i, level) in zip(panels, shown, strict=True):
        # Each component fills the range of its colour; grey is the mean patch.
        reach = np.nanmax(np.abs(level.components), axis=(0, 1))
        colours = 0.5 + 0.5 * level.components / np.where(reach > 0, reach, 1)
        draw_map(row[0], found, np.nan_to_num(colours, nan=1.0))
        share = 100 * level.explained.sum()
        what = f"RGB = components 1, 2, 3: {share:.1f} %"
        row[0].set_title(f"{level_name(i, level)}\n{what}")
        for k, axes in enumerate(row[1:]):
            high = reach[k] or 1.0
            values = level.components[..., k]
            drawn = draw_map(axes, found, values, _DIVERGING, -high, high)
            figure.colorbar(drawn, ax=axes)
            share = 100 * level.explained[k]
            axes.set_title(f"component {k + 1}\n{share:.1f} % of the variance")
    add_legend(figure, found, borders=True)
    return figure


def _signal(found):
    channels, heads = len(found.signal), found.heads
    figure = Figure(figsize=(15, 4.6 + 0.8 * len(heads)), layout="constrained")
    overlap = "slices overlap" if found.readers.max() > 1 else "slices are disjoint"
    unused = int((found.readers == 0).sum())
    used = f"{unused} channels are unused" if unused else "all channels are used"
    title = f"Where the {channels} channels of the signal go: {overlap}, {used}"
    headline(figure, found, title)
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
