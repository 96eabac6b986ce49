"""Models written for deployment, each compared with the original before it appears."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hyperseg_tf.export.formats import FORMATS, OUTPUTS

if TYPE_CHECKING:
    import keras

__all__ = ["FORMATS", "OUTPUTS", "write"]


def write(
    model: "keras.Model | str | Path",
    format: str = "saved_model",
    out: str | Path = "export",
    *,
    precision: str | None = None,
    size: Sequence[int] | str | None = None,
    batch: int | str | None = None,
    output: str = "logits",
    calibrate: str | Path | None = None,
    labels: str | Path | None = None,
    overwrite: bool = False,
    verify: bool = True,
    max_pixels: int | None = None,
    version: int | None = None,
    tell: Callable[[str], None] | None = None,
) -> Path:
    """Write a model for deployment and return where it is.

    Pictures go in as uint8 RGB 0..255 (B, H, W, 3), named `images`; preprocessing is in
    the file. It is run in its own runtime, in a process without this project, and
    compared with the model: beyond the bounds of its precision (`export.bounds`)
    nothing appears at `out`.

    Args:
        model: A model, or its `.keras` file.
        format: One of `FORMATS`.
        out: Folder to write; or, of a format that has one, a name with its suffix
            (`road.onnx`), which the files beside it then share: `road.classes.json`,
            `road.parity.json`, `road.parity.md`.
        precision: As the format has it; None for float32.
        size: (height, width) of the pictures, or "free"; None for "free" where the
            format can, else for the size that the preset is evaluated at.
        batch: Pictures at once, or "free"; None for "free" where the format can,
            else for 1.
        output: "logits" float32 (B, H, W, C), "probabilities" likewise, "class_map"
            uint8 (B, H, W), or "overlay" uint8 (B, H, W, 3). Of a SavedModel the
            output of `serving_default`.
        calibrate: Folder of pictures, or of a data set, for int8.
        labels: Folder of a data set that model and export are both scored on.
        overwrite: Replace what is there, after the new export is complete.
        verify: Compare; without it nothing says that the file is right.
        max_pixels: Of a SavedModel: largest request that is answered, pictures times
            height times width with sides padded as the network pads them; None for
            `export.signature.MAX_PIXELS`, 4.2 million.
        version: Publish a SavedModel as this version below the folder `out`, with what
            TensorFlow Serving wants to find there (`export/serving.py`).
        tell: Gets the table of the comparison.

    Raises:
        UserError: No such format, choice or model, a package is missing, `out` exists,
            or the export does not reproduce the model.
    """
    from hyperseg_tf.export import writing
    from hyperseg_tf.export.options import options

    asked = dict(precision=precision, size=size, batch=batch, output=output)
    asked |= dict(calibrate=calibrate, labels=labels, max_pixels=max_pixels)
    # Before a model is opened, which takes seconds.
    options(format, **asked, size_known=False).format.check_installed()
    export = partial(writing.write, model, format, asked=asked, overwrite=overwrite)
    export = partial(export, verify=verify, tell=tell)
    if version is None:
        return export(Path(out))
    from hyperseg_tf.export import serving

    serving.check(format, overwrite)
    return serving.write(export, Path(out), version)
