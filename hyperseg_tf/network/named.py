"""A model by what a user calls it: an object, a file, a bundled model or a preset."""

from pathlib import Path

import keras

from hyperseg_tf import presets
from hyperseg_tf.network.model import HyperSeg
from hyperseg_tf.network.model_file import load


def is_preset(model: keras.Model | str | Path) -> bool:
    """Whether it is the name of a preset, whose weights are random."""
    return isinstance(model, str | Path) and str(model) in presets.PRESETS


def open_named(model: keras.Model | str | Path) -> keras.Model:
    """Return a model itself, load its file or a bundled one, or build a preset.

    Raises:
        UserError: There is no such preset or readable file.
    """
    if not isinstance(model, str | Path):
        return model
    if is_preset(model):
        return HyperSeg.from_preset(str(model))
    return load(model)
