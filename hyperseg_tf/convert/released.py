"""Names and layouts of the released PyTorch checkpoints, and how ours follow from them.

A table of facts, no file is read here: every entry of the released state dict is tied
to one variable of the Keras model and one change of layout.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from hyperseg_tf.layout import decoder_layout

IGNORED = ("num_batches_tracked",)
IGNORED_PREFIXES = ("decoder.coord",)

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

    @property
    def released_shape(self) -> tuple[int, ...]:
        """Shape of the released tensor."""
        shape = tuple(self.variable.shape)
        if self.axes is None:
            return shape
        if len(shape) == 2:
            shape = (1, 1, *shape)
        back = np.argsort(self.axes)
        return tuple(shape[i] for i in back)


def entries(model) -> Iterator[Entry]:
    """All entries of the released state dict of this architecture, in any order.

    Args:
        model: An unfolded `HyperSeg` with an EfficientNet backbone.
    """
    if model.folded:
        raise ValueError("a folded model has no batch normalization to convert.")
    yield from _backbone(model)
    yield from _context_head(model)
    yield from _decoder(model)


def assign(model, state: Mapping[str, np.ndarray]) -> None:
    """Set all variables of a model from a released state dict.

    Args:
        model: An unfolded `HyperSeg` with `backbone_padding="static"`.
        state: Released name -> array.

    Raises:
        ValueError: If an entry is missing, surplus or misshaped; nothing is set then.
    """
    table = {entry.name: entry for entry in entries(model)}
    given = {
        name
        for name in state
        if not name.endswith(IGNORED) and not name.startswith(IGNORED_PREFIXES)
    }
    missing, surplus = sorted(table.keys() - given), sorted(given - table.keys())
    if missing or surplus:
        raise ValueError(
            f"the state dict does not fit {model.preset.name}: "
            f"{len(missing)} entries missing {missing[:3]}, "
            f"{len(surplus)} surplus {surplus[:3]}."
        )
    for name, entry in table.items():
        if tuple(state[name].shape) != entry.released_shape:
            raise ValueError(
                f"{name} must have shape {entry.released_shape} for "
                f"{model.preset.name}: got {tuple(state[name].shape)}."
            )
    for name, entry in table.items():
        entry.variable.assign(entry.to_keras(np.asarray(state[name])))


def _norm(prefix, layer):
    for name, variable in zip(_NORM, _NORM_VARIABLES, strict=True):
        yield Entry(f"{prefix}.{name}", getattr(layer, variable))


def _conv(prefix, layer):
    # (out, in, k, k) -> (k, k, in, out); depthwise (C, 1, k, k) -> (k, k, C, 1).
    depthwise = type(layer).__name__ == "DepthwiseConv2D"
    yield Entry(
        f"{prefix}.weight", layer.kernel, (2, 3, 0, 1) if depthwise else (2, 3, 1, 0)
    )
    if layer.use_bias:
        yield Entry(f"{prefix}.bias", layer.bias)


def _backbone(model):
    net = model.get_layer("backbone")
    names = [layer.name for layer in net.layers]
    yield from _conv("backbone._conv_stem", net.get_layer("stem_conv"))
    yield from _norm("backbone._bn0", net.get_layer("stem_bn"))
    blocks = [n.removesuffix("dwconv") for n in names if n.endswith("dwconv")]
    for i, block in enumerate(blocks):
        prefix = f"backbone._blocks.{i}."
        if f"{block}expand_conv" in names:
            yield from _conv(
                f"{prefix}_expand_conv", net.get_layer(f"{block}expand_conv")
            )
            yield from _norm(f"{prefix}_bn0", net.get_layer(f"{block}expand_bn"))
        for theirs, ours in (
            ("_depthwise_conv", "dwconv"),
            ("_se_reduce", "se_reduce"),
            ("_se_expand", "se_expand"),
            ("_project_conv", "project_conv"),
        ):
            yield from _conv(f"{prefix}{theirs}", net.get_layer(f"{block}{ours}"))
        yield from _norm(f"{prefix}_bn1", net.get_layer(f"{block}bn"))
        yield from _norm(f"{prefix}_bn2", net.get_layer(f"{block}project_bn"))
    yield from _conv("backbone._conv_head", net.get_layer("top_conv"))
    yield from _norm("backbone._bn1", net.get_layer("top_bn"))
    for i in range(5):
        if f"reduce{i + 1}_conv" in names:
            prefix = f"backbone._feat_fc_{i}"
            yield from _conv(f"{prefix}.0", net.get_layer(f"reduce{i + 1}_conv"))
            yield from _norm(f"{prefix}.1", net.get_layer(f"reduce{i + 1}_bn"))


def _context_head(model):
    head, preset = model.get_layer("context_head"), model.preset
    levels = preset.context_levels
    if preset.context_head == "concatenate":
        pairs = [("in_conv", "in")]
        pairs += [(f"down_blocks.{i}", f"down{i}") for i in range(levels - 1)]
        pairs += [(f"up_blocks.{levels - 1 - i}", f"fuse{i}") for i in range(1, levels)]
    else:
        pairs = [(f"down_{i}", f"down{i}") for i in range(levels - 1)]
        pairs += [(f"flat_{i}", f"fuse{i}") for i in range(levels - 1)]
    for theirs, ours in pairs:
        yield from _conv(f"weight_mapper.{theirs}.0", head.get_layer(f"{ours}_conv"))
        yield from _norm(f"weight_mapper.{theirs}.1", head.get_layer(f"{ours}_bn"))


def _decoder(model):
    preset = model.preset
    levels, heads = decoder_layout(preset)
    older, shared = preset.context_head == "replace", preset.shared_levels > 1
    stem = "decoder.level_blocks." if shared else "decoder.level_"
    for i, layout in enumerate(levels):
        level, prefix = model.get_layer(f"level_{i}"), f"{stem}{i}.0"
        if layout.kernel_size == 1:
            norms = (f"{prefix}.1",)
        elif older:
            norms = tuple(f"{prefix}.conv.{j}.1" for j in range(3))
        else:
            norms = tuple(f"{prefix}.bn{j + 1}" for j in range(3))
        for name, norm in zip(norms, level.norms, strict=True):
            yield from _norm(name, norm)
    for i, layout in enumerate(levels):
        if i >= len(heads):
            break
        if older:
            name = f"weight_mapper.out_conv.conv_{i}"
        elif shared:
            name = f"decoder.weight_blocks.{i}.signal2weights"
        else:
            inner = ".0" if layout.kernel_size == 1 else ""
            name = f"decoder.level_{i}.0{inner}.signal2weights"
        # (units, depth, 1, 1) -> (depth, units).
        yield Entry(
            f"{name}.weight", model.get_layer(f"weights_{i}").kernel, (2, 3, 1, 0)
        )
