"""What one export shall be, checked before anything is made."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.pixels import MIN_SIDE
from hyperseg_tf.export.formats import FORMATS, OUTPUTS, Format

if TYPE_CHECKING:
    import keras

# The word for a side or a batch that the file leaves open.
FREE = "free"

# Pixels of a request unless the user says more: two of 2048x1024. Stock operations take
# some 0.5 KB for each with HyperSeg-S, and TensorFlow keeps that for the next request.
MAX_PIXELS = 2**22

# Precisions whose activations are integers.
QUANTIZED = ("int8", "int16x8")


@dataclass(frozen=True)
class Options:
    """One export.

    Attributes:
        format: What is written.
        precision: One of `format.precisions`.
        size: (height, width) of the pictures; None where the file leaves it open.
        batch: Pictures at once; None where the file leaves it open.
        output: One of `formats.OUTPUTS`.
        calibrate: Pictures that ranges of values are taken from; for integers only.
        labels: Labelled pictures that the export is scored on, too.
        max_pixels: Largest request that is answered; None where the format has no
            assertions.
    """

    format: Format
    precision: str
    size: tuple[int, int] | None
    batch: int | None
    output: str
    calibrate: Path | None = None
    labels: Path | None = None
    max_pixels: int | None = None

    @property
    def quantized(self) -> bool:
        """Whether activations become integers, so that ranges are needed."""
        return self.precision in QUANTIZED


def options(
    format: str,
    *,
    precision: str | None = None,
    size: Sequence[int] | str | None = None,
    batch: int | str | None = None,
    output: str = "logits",
    calibrate: str | Path | None = None,
    labels: str | Path | None = None,
    max_pixels: int | None = None,
    model: "keras.Model | None" = None,
    size_known: bool = True,
) -> Options:
    """Fill in what was not said, and refuse what the format does not offer.

    Args:
        format: One of `formats.FORMATS`.
        precision: None for the format's first, float32.
        size: (height, width) or "free"; None for "free" where the format can, else for
            the size that the model's preset is evaluated at.
        batch: A number or "free"; None for "free" where the format can, else for 1.
        output: One of `formats.OUTPUTS`.
        calibrate: Folder of pictures or data set; needed for integers.
        labels: Folder of a data set.
        max_pixels: Of a SavedModel; None for `MAX_PIXELS`.
        model: Whose preset gives the size.
        size_known: Whether a missing size is an error; the model may not be open yet.

    Raises:
        UserError: The format has no such choice, or needs one that is missing.
    """
    if format not in FORMATS:
        raise UserError(
            f"an export format is one of {', '.join(FORMATS)}: got {format!r}."
        )
    chosen = FORMATS[format]
    precision = precision or chosen.precisions[0]
    if precision not in chosen.precisions:
        raise UserError(
            f"the precision of {format} is one of {', '.join(chosen.precisions)}: got "
            f"{precision!r}."
        )
    if output not in OUTPUTS:
        raise UserError(f"an output is one of {', '.join(OUTPUTS)}: got {output!r}.")
    found = Options(
        chosen,
        precision,
        _size(chosen, size, model, size_known),
        _batch(chosen, batch),
        output,
        None if calibrate is None else Path(calibrate),
        None if labels is None else Path(labels),
        _max_pixels(chosen, max_pixels),
    )
    if found.quantized and found.calibrate is None:
        raise UserError(
            f"{precision} takes the ranges of its integers from pictures: none are "
            "named; add --calibrate DIR (calibrate=), some hundred of the kind it will "
            "see."
        )
    if not found.quantized and found.calibrate is not None:
        raise UserError(
            f"only {' and '.join(QUANTIZED)} are calibrated: got pictures for "
            f"{precision}; leave --calibrate out."
        )
    return found


def _max_pixels(chosen: Format, max_pixels: int | None) -> int | None:
    if chosen.name == "saved_model":
        return MAX_PIXELS if max_pixels is None else max_pixels
    if max_pixels is not None:
        raise UserError(
            f"{chosen.name} cannot refuse a request for its size: got "
            f"max_pixels={max_pixels}; leave --max-pixels out, and fix the size."
        )
    return None


def _size(chosen: Format, size, model, known: bool) -> tuple[int, int] | None:
    if size is None and "size" not in chosen.free:
        size = getattr(getattr(model, "preset", None), "image_size", None)
    if size is None and "size" not in chosen.free and known:
        raise UserError(
            f"{chosen.name} has one size of pictures, and the model names none; add "
            "--size HxW (size=(height, width))."
        )
    if size is None or size == FREE:
        _check_free(chosen, "size", size)
        return None
    if chosen.name == "saved_model":
        raise UserError(
            f"a SavedModel answers pictures of every size: got {size}; leave the size "
            "out."
        )
    try:
        height, width = map(int, size)
    except (TypeError, ValueError):
        height = width = 0
    if min(height, width) < MIN_SIDE:
        raise UserError(
            f"a size is (height, width), each at least {MIN_SIDE}, or {FREE!r}: got "
            f"{size!r}."
        )
    return height, width


def _batch(chosen: Format, batch) -> int | None:
    if batch is None and "batch" not in chosen.free:
        return 1
    if batch is None or batch == FREE:
        _check_free(chosen, "batch", batch)
        return None
    if chosen.name == "saved_model":
        raise UserError(
            f"a SavedModel answers batches of every size: got {batch}; leave the batch "
            "out."
        )
    if not isinstance(batch, int) or batch < 1:
        raise UserError(f"a batch is 1 or more, or {FREE!r}: got {batch!r}.")
    return batch


def _check_free(chosen: Format, what: str, value) -> None:
    if value == FREE and what not in chosen.free:
        raise UserError(
            f"{chosen.name} needs a fixed {what}: got {FREE!r}; its builtin operations "
            f"cannot do otherwise. Export once for each {what}."
        )
