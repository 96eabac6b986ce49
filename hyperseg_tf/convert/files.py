"""File to file: what `hyperseg-tf convert` does, as one call for each direction."""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from hyperseg_tf.base.atomic import atomic_file, check_file_target
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.convert import parity, pth
from hyperseg_tf.network.half_file import save_half
from hyperseg_tf.network.model_file import load
from hyperseg_tf.presets import Preset


@dataclass(frozen=True)
class Written:
    """What a conversion left behind.

    Attributes:
        model: The model file.
        report: The table, if one was asked for.
        failed: Names of the tensors beyond the tolerance.
    """

    model: Path
    report: Path | None = None
    failed: tuple[str, ...] = ()


def pth_to_keras(
    checkpoint: str | os.PathLike,
    out: str | os.PathLike,
    preset: str | Preset | None = None,
    report: str | os.PathLike | None = None,
    activations: str | os.PathLike | None = None,
    overwrite: bool = False,
) -> Written:
    """Convert a released checkpoint to a `.keras` file.

    Args:
        checkpoint: A `.pth` file, see `hyperseg_tf.convert.from_pth`.
        out: The `.keras` file.
        preset: The architecture; None where the checkpoint names it.
        report: Markdown table of all entries or, with `activations`, of differences.
        activations: `.npz` of stored tensors, see `hyperseg_tf.convert.parity`.
        overwrite: Replace existing files.

    Returns:
        Written: With tensors beyond the tolerance both files are there, too.

    Raises:
        UserError: If something does not fit; nothing is written then.
    """
    out = Path(out)
    report = None if report is None else Path(report)
    _check_is_keras(out)
    if activations is not None and report is None:
        raise UserError(
            f"activations are compared for a report: {activations} has none; name its "
            "file with --report (report=...)."
        )
    for path in filter(None, (out, report)):
        check_file_target(path, overwrite)
    converted = pth.convert(checkpoint, preset)
    model, rows = converted.model, []
    if activations is not None:
        # The specification: the weights are in question, not a fast formulation.
        rows = parity.compare(model.with_implementation("einsum"), activations)
    lines = parity.table(rows) if activations is not None else _entries(converted.rows)
    with ExitStack() as files:
        model.save(files.enter_context(atomic_file(out)))
        if report is not None:
            title = f"# {Path(checkpoint).name} as {model.preset.name}\n\n"
            text = title + lines
            files.enter_context(atomic_file(report)).write_text(text, "utf-8")
    failed = tuple(f"{row.input}/{row.tensor}" for row in rows if not row.passes)
    return Written(out, report, failed)


def keras_to_pth(
    model: str | os.PathLike, out: str | os.PathLike, overwrite: bool = False
) -> Written:
    """Convert a `.keras` file to a checkpoint for the authors' code.

    Args:
        model: A `.keras` file of this library.
        out: The `.pth` file, see `hyperseg_tf.convert.to_pth`.
        overwrite: Replace an existing file.

    Raises:
        UserError: If the authors' code has no such model; nothing is written then.
    """
    out = Path(out)
    if out.suffix != ".pth":
        raise UserError(f"a checkpoint ends in .pth: got {out}; rename it.")
    check_file_target(out, overwrite)
    pth.to_pth(load(model), out, overwrite)
    return Written(out)


def keras_to_half(
    model: str | os.PathLike, out: str | os.PathLike, overwrite: bool = False
) -> Written:
    """Write a model's file at half its size, with kernels in float16.

    It loads like any other and computes in float32, from kernels rounded to 11 bits.

    Args:
        model: As of `hyperseg_tf.load`.
        out: The `.keras` file.
        overwrite: Replace an existing file.

    Raises:
        UserError: `model` cannot be read, or a kernel is beyond float16's range;
            nothing is written then.
    """
    out = Path(out)
    _check_is_keras(out)
    check_file_target(out, overwrite)
    with atomic_file(out) as temporary:
        save_half(load(model), temporary)
    return Written(out)


def _check_is_keras(out: Path) -> None:
    if out.suffix != ".keras":
        raise UserError(f"a model file ends in .keras: got {out}; rename it.")


def _entries(rows: Sequence[tuple]) -> str:
    lines = ["| entry | shape | dtype | variable |", "|---|---|---|---|"]
    lines += [
        f"| {name} | {'x'.join(map(str, shape))} | {dtype} | {path} |"
        for name, shape, dtype, path in rows
    ]
    return "\n".join([*lines, ""])
