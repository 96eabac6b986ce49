"""What an inspection found: as arrays, as a table, as JSON-able facts."""

from dataclasses import dataclass

import numpy as np

from hyperseg_tf.base.versions import versions
from hyperseg_tf.network.layout import HeadLayout, LevelLayout, decoder_layout
from hyperseg_tf.presets import Preset


@dataclass(frozen=True, kw_only=True)
class PatchGrid:
    """The patch grid over one picture.

    Attributes:
        shape: (h, w) cells, one per vector of generated weights.
        cell: (height, width) of a cell, in pixels of the network's input.
        size: (height, width) of the picture in the network's input, without padding.
    """

    shape: tuple[int, int]
    cell: tuple[float, float]
    size: tuple[int, int]

    @property
    def inside(self) -> tuple[int, int]:
        """Rows and columns of the cells that hold something of the picture."""
        sides = zip(self.size, self.cell, self.shape, strict=True)
        rows, columns = (min(int(-(-size // cell)), n) for size, cell, n in sides)
        return rows, columns


@dataclass(frozen=True, kw_only=True, eq=False)
class LevelWeights:
    """The generated weights of one decoder level; maps are NaN in the padding.

    Attributes:
        layout: Where they lie in the output of their head, and what they are for.
        norms: float64 (h, w), L2 norm of a patch's weights.
        parts: The same of each convolution: "pw1", "dw" and "pw2"; the single one of a
            level of kernel 1 is "pw1".
        components: float64 (h, w, 3), principal components over the patches.
        explained: float64 (3,), share of the variance that each explains; NaN where
            there is none.
        similarities: float64 (h, w), cosine with the weights of the chosen patch.
        note: Why there are no components, or "".
    """

    layout: LevelLayout
    norms: np.ndarray
    parts: dict[str, np.ndarray]
    components: np.ndarray
    explained: np.ndarray
    similarities: np.ndarray
    note: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Inspection:
    """What `inspect.inspect` found; see its arguments.

    Attributes:
        model: Name of the model or preset, or its file.
        preset: The architecture.
        random: The weights are random.
        folded: The generated weights contain the scales of the normalizations.
        source: File of the picture, or None.
        image: uint8 (H, W, 3), the picture.
        label: uint8 (H, W), its class map.
        names: One per class.
        colours: uint8 (classes, 3).
        grid: The patch grid.
        patch: (row, column) of the patch that the others are compared with.
        named: The caller named it; else it is the most unusual one.
        weights: float32 (h, w, P) of each head, padding included.
        signal: float64 (C,), root mean square of each channel over the patches.
        levels: Coarse to fine.
    """

    model: str
    preset: Preset
    random: bool
    folded: bool
    source: str | None
    image: np.ndarray
    label: np.ndarray
    names: tuple[str, ...]
    colours: np.ndarray
    grid: PatchGrid
    patch: tuple[int, int]
    named: bool
    weights: tuple[np.ndarray, ...]
    signal: np.ndarray
    levels: tuple[LevelWeights, ...]

    @property
    def heads(self) -> tuple[HeadLayout, ...]:
        """Which slice of the signal each weight head reads."""
        return decoder_layout(self.preset)[1]

    @property
    def readers(self) -> np.ndarray:
        """int64 (C,): how many heads read each channel of the signal."""
        readers = np.zeros(len(self.signal), np.int64)
        for head in self.heads:
            readers[head.offset : head.offset + head.channels] += 1
        return readers

    @property
    def unused(self) -> list[tuple[int, int]]:
        """Channels of the signal that no head reads, as (first, last)."""
        none = np.concatenate([[False], self.readers == 0, [False]])
        ends = np.flatnonzero(none[1:] != none[:-1]).tolist()
        return [(a, b - 1) for a, b in zip(ends[::2], ends[1::2], strict=True)]

    @property
    def remarks(self) -> list[str]:
        """What must be known before the numbers are read."""
        remarks = []
        if self.random:
            remarks.append("RANDOM WEIGHTS, nothing here has been learned")
        if self.folded:
            remarks.append(
                "folded model: its weights contain the normalizations' scale"
            )
        (rows, columns), (h, w) = self.grid.inside, self.grid.shape
        if (rows, columns) != (h, w):
            remarks.append(
                f"{h * w - rows * columns} of {h}x{w} patches are padding, left out"
            )
        return remarks

    @property
    def compared(self) -> str:
        """The chosen patch in words."""
        how = ", whose weights are farthest from the mean"
        if self.named or self.grid.inside == (1, 1):
            how = ""
        return f"patch {self.patch[0]},{self.patch[1]}{how}"

    def levels_of(self, head: int) -> list[int]:
        """Levels whose weights one head makes."""
        return [i for i, lv in enumerate(self.levels) if lv.layout.head == head]

    def mean_similarity(self, level: int) -> float:
        """Mean cosine of the chosen patch with all others; NaN without others."""
        others = self.levels[level].similarities.copy()
        others[self.patch] = np.nan
        return float(np.nanmean(others)) if np.isfinite(others).any() else np.nan

    def table(self) -> str:
        """One line per level, for people."""
        grid, cell = (f"{a:g}x{b:g}" for a, b in (self.grid.shape, self.grid.cell))
        height, width = self.grid.size
        lines = [
            f"{self.model}: {self.source or 'picture'} at {height}x{width}, "
            f"{grid} patches of {cell} pixels",
            *self.remarks,
            f"similarity to {self.compared}",
            "level    grid  weights  norm mean       min       max  3 components  "
            "similarity",
        ]
        for i, level in enumerate(self.levels):
            mean, low, high = statistics(level.norms)
            explained, similarity = level.explained.sum(), self.mean_similarity(i)
            explained = "-" if np.isnan(explained) else f"{100 * explained:.1f} %"
            similarity = "-" if np.isnan(similarity) else f"{similarity:.4f}"
            note = f"  {level.note}" if level.note else ""
            lines.append(
                f"{i:<5}  {grid:>6}  {level.layout.size:>7}  {mean:>9.4g} {low:>9.4g} "
                f"{high:>9.4g}  {explained:>12}  {similarity:>10}{note}"
            )
        return "\n".join(lines)

    def facts(self) -> dict:
        """Every number as JSON-able values; None for NaN."""
        levels = []
        for i, level in enumerate(self.levels):
            mean, low, high = statistics(level.norms)
            levels.append(
                {
                    "level": i,
                    "head": level.layout.head,
                    "first_weight": level.layout.start,
                    "weights_per_patch": level.layout.size,
                    "kernel_size": level.layout.kernel_size,
                    "note": level.note,
                    "norm": {"mean": mean, "min": low, "max": high},
                    "explained_variance": level.explained,
                    "mean_similarity": self.mean_similarity(i),
                    "norms": level.norms,
                    "norms_of_parts": level.parts,
                    "similarities": level.similarities,
                    "components": np.moveaxis(level.components, -1, 0),
                }
            )
        heads = [
            {
                "head": i,
                "levels": self.levels_of(i),
                "first_channel": head.offset,
                "channels": head.channels,
                "groups": head.groups,
                "weights_per_patch": head.units,
            }
            for i, head in enumerate(self.heads)
        ]
        return _jsonable(
            {
                "model": self.model,
                "random_weights": self.random,
                "folded": self.folded,
                "picture": self.source,
                "picture_size": self.image.shape[:2],
                "network_size": self.grid.size,
                "grid": self.grid.shape,
                "grid_inside_picture": self.grid.inside,
                "patch_size": self.grid.cell,
                "patch": self.patch,
                "patch_named": self.named,
                "levels": levels,
                "heads": heads,
                "signal": {
                    "channels": len(self.signal),
                    "unused": self.unused,
                    "readers": self.readers,
                    "root_mean_square": self.signal,
                },
                "preset": self.preset.to_dict(),
                "versions": versions(),
            }
        )


def statistics(values: np.ndarray) -> tuple[float, float, float]:
    """Mean, minimum and maximum of a map, without its padding."""
    return tuple(float(f(values)) for f in (np.nanmean, np.nanmin, np.nanmax))


def _jsonable(value):
    if isinstance(value, dict):
        return {key: _jsonable(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _jsonable(value.tolist())
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    if isinstance(value, float):
        # Six digits are what float32 sums can be trusted for.
        return float(f"{value:.6g}") if np.isfinite(value) else None
    return value
