"""Every format and precision of one model on this machine, in one table.

Each export runs in its own runtime, in a process of its own, as the gate runs it; so
does the model itself, the first row.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from hyperseg_tf.base import machine
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.pixels import MIN_SIDE
from hyperseg_tf.export.choices import choices
from hyperseg_tf.export.comparison_table import Comparison
from hyperseg_tf.export.options import Options
from hyperseg_tf.export.turns import MODEL, Turns, evaluated
from hyperseg_tf.network.named import is_preset, open_named


def compare(
    model: keras.Model | str | Path,
    formats: str | Sequence[str] = "all",
    *,
    size: Sequence[int] | None = None,
    batch: int = 1,
    calls: int = 50,
    warm_up: int = 5,
    threads: int | None = None,
    calibrate: str | Path | None = None,
    labels: str | Path | None = None,
) -> Comparison:
    """Export a model to several formats, run them in turns, and say what each costs.

    Pictures are uint8 RGB (B, H, W, 3), answers float32 logits (B, H, W, C). The
    exports are in a temporary folder, gone afterwards, and none is refused for what it
    answers.

    Args:
        model: A `HyperSeg`, its `.keras` file, or the name of a preset, whose weights
            are random.
        formats: "all", or names as in `FORMATS`, each with its precision behind a colon
            or without one for float32: "tflite,onnx:int8".
        size: (height, width) of the pictures; None for the preset's.
        batch: Pictures at once.
        calls: Timed rounds.
        warm_up: Rounds before the clock starts.
        threads: Of each runtime; None leaves the choice to it.
        calibrate: Folder of pictures, or of a data set, for int8; these are
            left out without it.
        labels: Folder of a data set that all of them are scored on.

    Returns:
        Comparison: What cannot be exported or run here is in it with the reason.

    Raises:
        UserError: No such format, model or size; or the model does not run, or does not
            fit the labelled pictures.
        ValueError: A number is out of range, or the model is no `HyperSeg`.
    """
    chosen = choices(formats)
    for name, value in (("batch", batch), ("calls", calls), ("threads", threads or 1)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1: got {value}.")
    random_weights = is_preset(model)
    name = str(model) if isinstance(model, str | Path) else model.name
    model = open_named(model)
    base = Options(MODEL, "float32", _size(model, size), batch, "logits")
    if labels is not None:
        base = replace(base, labels=Path(labels))
    load_before = machine.load()
    if base.labels is not None:
        # Before minutes of work: whether they can be read and are of these classes.
        evaluated(model, base, lambda images: np.zeros(images.shape[:3], np.uint8))
    turns = Turns(model, base, threads or 0)
    with turns.opened(chosen, calibrate):
        turns.measure(warm_up, calls)
        if base.labels is not None:
            turns.score()
    return Comparison(
        model=name,
        random_weights=random_weights,
        size=base.size,
        batch=batch,
        threads=threads,
        warm_up=warm_up,
        load_before=load_before,
        load_after=machine.load(),
        entries=tuple(map(turns.entry, turns.running)),
        left_out=tuple(turns.left_out),
    )


def _size(model: keras.Model, size) -> tuple[int, int]:
    if size is None:
        size = getattr(getattr(model, "preset", None), "image_size", None)
    if size is None:
        raise UserError(
            "pictures need a size, and the model names none; add --size HxW "
            "(size=(height, width))."
        )
    height, width = size
    if min(height, width) < MIN_SIDE:
        raise UserError(
            f"a size is (height, width), each at least {MIN_SIDE}: got {size}."
        )
    return height, width
