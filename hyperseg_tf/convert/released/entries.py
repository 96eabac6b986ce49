"""Names and layouts of the released PyTorch checkpoints, and how ours follow from them.

A table of facts, no file is read here: every entry of the released state dict is tied
to one variable of the Keras model and one change of layout. The table has the order in
which the authors' modules are registered, which is that of their files.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from hyperseg_tf.presets import Preset

COUNTER = ".num_batches_tracked"

_VARIANCE = ".running_var"
_COORDINATES = re.compile(r"decoder\.coord[0-9]+_[0-9]+")
_NORM = ("weight", "bias", "running_mean", "running_var")
_NORM_VARIABLES = ("gamma", "beta", "moving_mean", "moving_variance")


@dataclass(frozen=True)
class Entry:
    """One tensor: its released name, our variable, and the axes that differ."""

    name: str
    variable: object
    axes: tuple[int, ...] | None = None

    def to_keras(self, value: np.ndarray) -> np.ndarray:
        """Released layout -> ours."""
        value = value if self.axes is None else value.transpose(self.axes)
        return value.reshape(tuple(self.variable.shape))

    def to_released(self) -> np.ndarray:
        """The variable's value in the released layout, contiguous."""
        value = np.asarray(self.variable)
        if self.axes is not None:
            value = value.reshape(self._four_axes).transpose(np.argsort(self.axes))
        return np.ascontiguousarray(value)

    @property
    def released_shape(self) -> tuple[int, ...]:
        """Shape of the released tensor."""
        if self.axes is None:
            return tuple(self.variable.shape)
        return tuple(self._four_axes[i] for i in np.argsort(self.axes))

    @property
    def _four_axes(self):
        shape = tuple(self.variable.shape)
        return (1, 1, *shape) if len(shape) == 2 else shape


def entries(model) -> Iterator[Entry]:
    """All entries of the released state dict of this architecture, in its order.

    What our model has no variable for is left out: the counters of the batch
    normalizations and the decoder's coordinates.

    Args:
        model: An unfolded `HyperSeg` with an EfficientNet backbone.
    """
    if model.folded:
        raise ValueError("a folded model has no batch normalization to convert.")
    yield from backbone_entries(model)
    yield from _decoder(model)
    yield from _context_head(model)


def norm_prefix(entry_name: str) -> str | None:
    """Prefix of the batch normalization whose last value this entry is, else None.

    The released state dict has the normalization's counter behind it.
    """
    if not entry_name.endswith(_VARIANCE):
        return None
    return entry_name.removesuffix(_VARIANCE)


def check(preset: Preset, table: Iterable[Entry], shapes: Mapping[str, tuple]) -> None:
    """Compare names and shapes of a state dict with the table.

    Args:
        preset: The architecture, for the message.
        table: What `entries` yields.
        shapes: Released name -> shape.

    Raises:
        ValueError: If an entry is missing, surplus or misshaped.
    """
    table = {entry.name: entry for entry in table}
    ignored = {f"{prefix}{COUNTER}" for prefix in map(norm_prefix, table) if prefix}
    given = {
        name
        for name in shapes
        if name not in ignored and not _COORDINATES.fullmatch(name)
    }
    missing, surplus = sorted(table.keys() - given), sorted(given - table.keys())
    if missing or surplus:
        raise ValueError(
            f"the state dict does not fit {preset.name}: "
            f"{len(missing)} entries missing {missing[:3]}, "
            f"{len(surplus)} surplus {surplus[:3]}."
        )
    for name, entry in table.items():
        if tuple(shapes[name]) != entry.released_shape:
            raise ValueError(
                f"{name} must have shape {entry.released_shape} for "
                f"{preset.name}: got {tuple(shapes[name])}."
            )


def assign(model, state: Mapping[str, np.ndarray]) -> None:
    """Set all variables of a model from a released state dict.

    Args:
        model: An unfolded `HyperSeg` with `backbone_padding="static"`.
        state: Released name -> array.

    Raises:
        ValueError: If an entry is missing, surplus or misshaped; nothing is set then.
    """
    table = list(entries(model))
    check(model.preset, table, {name: np.shape(v) for name, v in state.items()})
    for entry in table:
        entry.variable.assign(entry.to_keras(np.asarray(state[entry.name])))


def last_norm(preset: Preset) -> str:
    """Name of the one entry whose length is the class count."""
    return f"{_norms(preset, len(preset.kernel_sizes) - 1)[-1]}.bias"


def norm_entries(prefix: str, layer) -> Iterator[Entry]:
    """The four values of a batch normalization."""
    for name, variable in zip(_NORM, _NORM_VARIABLES, strict=True):
        yield Entry(f"{prefix}.{name}", getattr(layer, variable))


def conv_entries(prefix: str, layer) -> Iterator[Entry]:
    """Kernel and, where there is one, bias of a regular or depthwise convolution."""
    # (out, in, k, k) -> (k, k, in, out); depthwise (C, 1, k, k) -> (k, k, C, 1).
    depthwise = type(layer).__name__ == "DepthwiseConv2D"
    yield Entry(
        f"{prefix}.weight", layer.kernel, (2, 3, 0, 1) if depthwise else (2, 3, 1, 0)
    )
    if layer.use_bias:
        yield Entry(f"{prefix}.bias", layer.bias)


def backbone_entries(
    model, root: str = "backbone.", reductions: bool = True
) -> Iterator[Entry]:
    """Entries of an EfficientNet, in the order of the released files.

    Args:
        model: A `HyperSeg`.
        root: What all names begin with.
        reductions: With the layers that reduce F1..F5.
    """
    net = model.get_layer("backbone")
    names = [layer.name for layer in net.layers]
    yield from conv_entries(f"{root}_conv_stem", net.get_layer("stem_conv"))
    yield from norm_entries(f"{root}_bn0", net.get_layer("stem_bn"))
    blocks = [n.removesuffix("dwconv") for n in names if n.endswith("dwconv")]
    for i, block in enumerate(blocks):
        prefix = f"{root}_blocks.{i}."
        if f"{block}expand_conv" in names:
            yield from conv_entries(
                f"{prefix}_expand_conv", net.get_layer(f"{block}expand_conv")
            )
            yield from norm_entries(f"{prefix}_bn0", net.get_layer(f"{block}expand_bn"))
        yield from conv_entries(
            f"{prefix}_depthwise_conv", net.get_layer(f"{block}dwconv")
        )
        yield from norm_entries(f"{prefix}_bn1", net.get_layer(f"{block}bn"))
        gated = f"{block}se_reduce" in names
        parts = ("se_reduce", "se_expand") if gated else ()
        for part in (*parts, "project_conv"):
            yield from conv_entries(f"{prefix}_{part}", net.get_layer(f"{block}{part}"))
        yield from norm_entries(f"{prefix}_bn2", net.get_layer(f"{block}project_bn"))
    for i in range(5):
        if reductions and f"reduce{i + 1}_conv" in names:
            prefix = f"{root}_feat_fc_{i}"
            yield from conv_entries(f"{prefix}.0", net.get_layer(f"reduce{i + 1}_conv"))
            yield from norm_entries(f"{prefix}.1", net.get_layer(f"reduce{i + 1}_bn"))
    yield from conv_entries(f"{root}_conv_head", net.get_layer("top_conv"))
    yield from norm_entries(f"{root}_bn1", net.get_layer("top_bn"))


def _decoder(model):
    preset = model.preset
    unified = _unified(preset)
    inside = not unified and preset.context_head != "replace"
    for i, kernel_size in enumerate(preset.kernel_sizes):
        level = model.get_layer(f"level_{i}")
        # A pointwise level registers its convolution first, a residual one last.
        if inside and kernel_size == 1:
            yield _weights(model, i, f"decoder.level_{i}.0.0.signal2weights")
        for name, norm in zip(_norms(preset, i), level.norms, strict=True):
            yield from norm_entries(name, norm)
        if inside and kernel_size > 1:
            yield _weights(model, i, f"decoder.level_{i}.0.signal2weights")
    if unified:
        for i in range(len(preset.weight_groups)):
            yield _weights(model, i, f"decoder.weight_blocks.{i}.signal2weights")


def _context_head(model):
    head, preset = model.get_layer("context_head"), model.preset
    levels, older = preset.context_levels, preset.context_head == "replace"
    if older:
        pairs = []
        for i in range(levels - 1):
            pairs += [(f"down_{i}", f"down{i}"), (f"flat_{i}", f"fuse{i}")]
    else:
        pairs = [(f"down_blocks.{i}", f"down{i}") for i in range(levels - 1)]
        # Our fusion 0 is the concatenation that makes the signal, without a layer.
        pairs += [(f"up_blocks.{i}", f"fuse{i + 1}") for i in range(levels - 1)]
        pairs += [("in_conv", "in")]
    for theirs, ours in pairs:
        yield from conv_entries(
            f"weight_mapper.{theirs}.0", head.get_layer(f"{ours}_conv")
        )
        yield from norm_entries(
            f"weight_mapper.{theirs}.1", head.get_layer(f"{ours}_bn")
        )
    for i in range(len(preset.weight_groups) if older else 0):
        yield _weights(model, i, f"weight_mapper.out_conv.conv_{i}")


def _unified(preset):
    """Whether the signal is cut in disjoint slices by the newer code."""
    return preset.context_head != "replace" and not preset.overlapping_slices


def _norms(preset, i):
    """Prefixes of the batch normalizations of level i."""
    stem = "level_blocks." if _unified(preset) else "level_"
    prefix = f"decoder.{stem}{i}.0"
    if preset.kernel_sizes[i] == 1:
        return (f"{prefix}.1",)
    if preset.context_head == "replace":
        return tuple(f"{prefix}.conv.{j}.1" for j in range(3))
    return tuple(f"{prefix}.bn{j + 1}" for j in range(3))


def _weights(model, i, name):
    # (units, depth, 1, 1) -> (depth, units).
    kernel = model.get_layer(f"weights_{i}").kernel
    return Entry(f"{name}.weight", kernel, (2, 3, 1, 0))
