"""Released `.pth` checkpoints to models and back.

Our weights are the released ones in another layout, so both directions copy bits. What
a model has no place for (the arch string, the counters of the batch normalizations)
travels in its metadata under "released".
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hyperseg_tf import presets
from hyperseg_tf.base.atomic import atomic_file, check_file_target
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.convert.metadata import METADATA
from hyperseg_tf.convert.refused import Refused
from hyperseg_tf.convert.released import arch, coordinates
from hyperseg_tf.convert.released import entries as released
from hyperseg_tf.convert.released.checkpoint import Checkpoint, open_checkpoint
from hyperseg_tf.convert.torch_file import writer as torch_writer
from hyperseg_tf.convert.torch_file.writer import Record
from hyperseg_tf.network.finite import check_finite
from hyperseg_tf.network.model import HyperSeg
from hyperseg_tf.presets import Preset

_FITS = "a checkpoint must fit the preset"
_NUMBERS = "weights must be finite numbers, variances not negative"


@dataclass(frozen=True)
class Converted:
    """A converted checkpoint.

    Attributes:
        model: The model.
        rows: Released name, shape, dtype and our variable's path of every entry.
    """

    model: HyperSeg
    rows: tuple[tuple[str, tuple[int, ...], str, str], ...]


def from_pth(path: str | os.PathLike, preset: str | Preset | None = None) -> HyperSeg:
    """Build the model of a released checkpoint.

    Args:
        path: A `.pth` file; it is read as data, nothing in it is run.
        preset: Its architecture by name or as a `Preset`; may be None where the file
            carries an arch string, and must agree with it. The class count is the
            file's.

    Returns:
        HyperSeg: Float32 weights bit for bit, `backbone_padding="static"`.

    Raises:
        UserError: If the file is refused or does not fit.
    """
    return convert(path, preset).model


def convert(path: str | os.PathLike, preset: str | Preset | None = None) -> Converted:
    """`from_pth` with the table of what went where."""
    if isinstance(preset, str):
        try:
            preset = presets.get(preset)
        except ValueError as error:
            raise UserError(str(error)) from error
    with open_checkpoint(path) as checkpoint:
        model = HyperSeg(_chosen(checkpoint, preset))
        rows = _fill(model, checkpoint)
    return Converted(model, rows)


def load_pth(model: HyperSeg, path: str | os.PathLike) -> None:
    """Set a model's weights from a released checkpoint of its architecture.

    Args:
        model: Unfolded, with `backbone_padding="static"`.
        path: A `.pth` file.

    Raises:
        UserError: If the file is refused or does not fit; nothing is set then.
    """
    _check_form(model, "released weights need")
    with open_checkpoint(path) as checkpoint:
        chosen = _chosen(checkpoint, model.preset)
        if chosen.num_classes != model.preset.num_classes:
            raise Refused(
                f"it has {chosen.num_classes} classes, the model "
                f"{model.preset.num_classes}",
                f"build the model with num_classes={chosen.num_classes}",
                _FITS,
            )
        _fill(model, checkpoint)


def to_pth(model: HyperSeg, path: str | os.PathLike, overwrite: bool = False) -> None:
    """Write a model as a checkpoint that the authors' code loads.

    The file holds `state_dict` and `arch`, and `epoch` and `best_iou` of the checkpoint
    that the model was converted from, if there was one.

    Args:
        model: Unfolded, `backbone_padding="static"`, of an architecture they have.
        path: The file; it appears whole or not at all.
        overwrite: Replace an existing file.

    Raises:
        UserError: If the model has another form or the file may not be written.
    """
    path = Path(path)
    check_file_target(path, overwrite)
    _check_form(model, "the authors' code needs")
    kept = model.metadata.get(METADATA)
    kept = kept if isinstance(kept, dict) else {}
    try:
        parsed = _own_arch(model.preset, kept.get("arch"))
    except Refused as error:
        raise UserError(error.sentence(model.preset.name)) from error
    values = {k: kept[k] for k in ("epoch", "best_iou") if _is_number(kept.get(k))}
    with atomic_file(path) as temporary:
        records = _records(model, parsed, kept.get("num_batches_tracked", 0))
        torch_writer.write(temporary, records, {**values, "arch": parsed.text})


def _chosen(checkpoint: Checkpoint, preset: Preset | None) -> Preset:
    """The preset to build, from what the user and the file say."""
    if checkpoint.arch is None and preset is None:
        raise Refused("it carries none", "name one with --preset (preset=...)", (
            "a checkpoint without an arch string needs a preset"
        ))  # fmt: skip
    found = None if checkpoint.arch is None else arch.parse(checkpoint.arch)
    if preset is None:
        preset = arch.find(found)
    elif found is not None:
        differing = arch.differences(found.preset, preset)
        if differing:
            raise Refused(
                f"against {preset.name} its arch string says {'; '.join(differing)}",
                "leave the preset out or name the right one",
                "the preset must agree with the checkpoint's arch string",
            )
    else:
        arch.write(preset)
    name = released.last_norm(preset)
    shape = checkpoint.state[name].shape if name in checkpoint.state else ()
    count = found.preset.num_classes if found else (*shape, 0)[0]
    # Known before anything is built: the class count decides how large it becomes.
    if shape != (count,) or not 1 <= count <= arch.MAX_CLASSES:
        raise Refused(
            f"{name}, as long as there are classes, must have shape "
            f"({count or 'classes'},) for {preset.name}: got "
            f"{shape if name in checkpoint.state else 'no such entry'}",
            "name the preset that it was trained as",
            _FITS,
        )
    return replace(preset, num_classes=count, backbone_padding="static")


def _fill(model, checkpoint):
    """Set the model; everything is read and checked before the first variable is."""
    table = list(released.entries(model))
    shapes = {name: tensor.shape for name, tensor in checkpoint.state.items()}
    try:
        released.check(model.preset, table, shapes)
    except ValueError as error:
        raise Refused(
            str(error).rstrip("."), "name the preset that it was trained as", _FITS
        ) from error
    values = [checkpoint.float32(entry.name) for entry in table]
    counters = {}
    for entry in table:
        prefix = released.norm_prefix(entry.name)
        name = f"{prefix}{released.COUNTER}"
        if prefix and name in checkpoint.state:
            counters[prefix] = checkpoint.counter(name)
    pairs = [
        (entry.variable, entry.to_keras(value))
        for entry, value in zip(table, values, strict=True)
    ]
    try:
        check_finite(pairs)
    except ValueError as error:
        raise Refused(str(error), "take a sound checkpoint", _NUMBERS) from error
    for variable, value in pairs:
        variable.assign(value)
    facts = {"arch": checkpoint.arch, "epoch": checkpoint.epoch}
    facts["best_iou"] = checkpoint.best_iou
    # They are all equal unless somebody froze a part.
    same = set(counters.values())
    facts["num_batches_tracked"] = same.pop() if len(same) == 1 else counters
    model.set_metadata({**model.metadata, METADATA: facts})
    return tuple(
        (
            entry.name,
            entry.released_shape,
            checkpoint.state[entry.name].dtype_name,
            entry.variable.path,
        )
        for entry in table
    )


def _check_form(model, who):
    if not isinstance(model, HyperSeg):
        raise UserError(f"{who} a HyperSeg: got a {type(model).__name__}.")
    if model.folded:
        raise UserError(
            f"{who} batch normalization: {model.name} is folded; take the model that "
            "it was folded from."
        )
    if model.preset.backbone_padding != "static":
        raise UserError(
            f"{who} a backbone padded by fixed amounts: {model.name} has "
            f"backbone_padding={model.preset.backbone_padding!r}; build it with "
            'backbone_padding="static".'
        )


def _own_arch(preset, text):
    """The kept arch string where it still says what the model is, else a new one."""
    try:
        kept = arch.parse(text)
        same = kept.preset.num_classes == preset.num_classes
        if same and not arch.differences(kept.preset, preset):
            return kept
    except Refused:
        pass
    return arch.parse(arch.write(preset))


def _records(model, parsed: arch.Arch, counters) -> Iterator[Record]:
    levels = len(model.preset.kernel_sizes)
    grids = list(coordinates.buffers(parsed.resolutions, levels))
    for entry in released.entries(model):
        # A module's own buffers come before those of its parts.
        if entry.name.startswith("decoder."):
            for name, height, width in grids:
                shape = (1, 2, height, width)
                size = (height, width)
                yield Record(
                    name, shape, "float32", lambda size=size: coordinates.grid(*size)
                )
            grids = []
        yield Record(entry.name, entry.released_shape, "float32", entry.to_released)
        prefix = released.norm_prefix(entry.name)
        if prefix is not None:
            count = counters.get(prefix) if isinstance(counters, dict) else counters
            count = count if _is_number(count) else 0
            yield Record(
                f"{prefix}{released.COUNTER}",
                (),
                "int64",
                lambda count=count: np.array(count, np.int64),
            )


def _is_number(value):
    # Metadata may have been edited: what no file can hold is left out.
    return type(value) in (int, float) and abs(value) < 2**63
