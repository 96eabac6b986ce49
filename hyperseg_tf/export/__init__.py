"""Models written for deployment, each compared with the original before it appears."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from hyperseg_tf.base.errors import UserError

if TYPE_CHECKING:
    import keras

# Module of each format: it has `write(model, out, overwrite, verify) -> Path`.
_MODULE = {"saved_model": "saved_model"}

FORMATS = tuple(_MODULE)


def write(
    model: "keras.Model | str | Path",
    format: str = "saved_model",
    out: str | Path = "export",
    *,
    overwrite: bool = False,
    verify: bool = True,
) -> Path:
    """Write a model for deployment and return where it is.

    Args:
        model: A model, or its `.keras` file.
        format: One of `FORMATS`.
        out: File or folder to write, as the format has it.
        overwrite: Replace what is there, after the new export is complete.
        verify: Reload the export in a process of its own and compare its outputs
            with the model's; where they differ nothing appears at `out`.

    Raises:
        UserError: No such format, no such model, `out` exists, or the export does
            not reproduce the model.
    """
    if format not in _MODULE:
        raise UserError(
            f"an export format is one of {', '.join(FORMATS)}: got {format!r}."
        )
    module = importlib.import_module(f"hyperseg_tf.export.{_MODULE[format]}")
    return module.write(model, Path(out), overwrite, verify)
