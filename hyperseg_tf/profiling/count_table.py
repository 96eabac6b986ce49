"""Counts of presets beside the paper's figures, as text."""

from collections.abc import Sequence

from hyperseg_tf.presets import Preset
from hyperseg_tf.presets.paper import FIGURES, PaperFigures
from hyperseg_tf.profiling.counting import Count

_COLUMNS = (
    ("size", 9),
    ("parameters", 11),
    ("paper M", 12),
    ("generated", 9),
    ("generation", 10),
    ("dynamic", 7),
    ("GMACs", 7),
    ("GFLOPs", 7),
    ("paper G", 12),
)

_LEGEND = """\
generated   weights that the hypernetwork makes for each patch
generation  billions of multiply-adds that make them
dynamic     billions of multiply-adds of the convolutions that use them
GMACs       billions of multiply-adds of all convolutions, these two included
GFLOPs      as the paper counts: GMACs and two operations per normalised value
paper       its figure; how far ours is from it, unless by less than its last digit"""


class CountTable:
    """Rows for some presets.

    Args:
        presets: All presets that will be printed; they decide the widths.
    """

    def __init__(self, presets: Sequence[Preset]):
        self._width = max(len(preset.name) for preset in presets)

    def header(self) -> str:
        """The names of the columns."""
        return self._line("preset", [name for name, _ in _COLUMNS])

    def row(self, count: Count) -> str:
        """One preset."""
        paper = FIGURES.get(count.preset.name, PaperFigures())
        giga = {part: value / 1e9 for part, value in count.macs.items()}
        cells = [
            "{}x{}".format(*count.size),
            f"{count.parameters:,}",
            _beside(paper.parameters_m, count.parameters / 1e6),
            f"{count.generated:,}" if count.generated else "-",
            f"{giga['generation']:.3f}" if count.generated else "-",
            f"{giga['dynamic']:.3f}" if count.generated else "-",
            f"{count.total / 1e9:.2f}",
            f"{count.flops / 1e9:.2f}",
            _beside(paper.gflops, count.flops / 1e9),
        ]
        return self._line(count.preset.name, cells)

    def legend(self, counts: Sequence[Count]) -> str:
        """What the columns mean, and why some figures are not the paper's."""
        notes = [
            f"{count.preset.name}: {FIGURES[count.preset.name].note}"
            for count in counts
            if count.preset.name in FIGURES and FIGURES[count.preset.name].note
        ]
        if not notes:
            return f"\n{_LEGEND}"
        return "\n".join(
            [f"\n{_LEGEND}", "\nWhere ours differ from the paper:", *notes]
        )

    def _line(self, name, cells):
        widths = (width for _, width in _COLUMNS)
        columns = (f"{c:>{w}}" for c, w in zip(cells, widths, strict=True))
        return "  ".join([f"{name:<{self._width}}", *columns])


def _beside(paper, ours):
    if paper is None:
        return "-"
    # Printed figures are rounded or cut off.
    digits = max(1, len(str(paper).partition(".")[2]))
    if abs(ours - paper) < 10**-digits:
        return f"{paper} same"
    return f"{paper} {100 * (ours / paper - 1):+.1f}%"
