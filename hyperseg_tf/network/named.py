"""A model by what a user calls it: an object, a file, a bundled model or a preset."""

from pathlib import Path

import keras

from hyperseg_tf import presets
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.names import did_you_mean
from hyperseg_tf.network.bundled import MODELS, is_bundled
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
    name = str(model)
    if Path(name).name == name and not is_bundled(name) and not Path(name).exists():
        known = [*MODELS, *presets.PRESETS]
        guess = did_you_mean(name, known).strip()
        raise UserError(
            "a model is a .keras file, the folder of a run, a bundled model or, where "
            f"weights do not count, a preset: {name} is none; "
            + (guess or f"known names are {', '.join(known)}.")
        )
    return load(model)
