"""The one door through which a `.keras` file comes in.

Keras can build any object that a file's config names, and some of those run code, read
files or go online while they are built. So the config never reaches Keras: it is read
here as data, must describe a `HyperSeg` and nothing else, and the model is built from
its preset. Only then are the weights loaded, from a private copy of the file's member
whose every array was looked at before. No size that a file claims is believed: a file
of some megabytes cannot ask for a network of gigabytes.
"""

import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import keras

from hyperseg_tf.base import archive, hdf5
from hyperseg_tf.base.archive import ArchiveError
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.hdf5 import HDF5Error
from hyperseg_tf.base.text import first_line, shortened
from hyperseg_tf.network import backbones, bundled
from hyperseg_tf.network.finite import check_finite
from hyperseg_tf.network.layout import least_parameters
from hyperseg_tf.network.metadata import check_metadata
from hyperseg_tf.network.model import HyperSeg
from hyperseg_tf.network.no_model import no_model
from hyperseg_tf.presets import Preset

# The model in the folder of a run.
BEST = "model.keras"

_CONFIG, WEIGHTS = "config.json", "model.weights.h5"
# Of a `.keras` file.
MEMBERS = ("metadata.json", _CONFIG, WEIGHTS)
_LARGEST_CONFIG = 4_000_000

# How `keras.Model.save` names the class; the first module is that of early files.
_MODULES = ("hyperseg_tf.model", HyperSeg.__module__)
_CLASS = {"class_name": "HyperSeg", "registered_name": "hyperseg_tf>HyperSeg"}
_FIELDS = {"name", "preset", "implementation", "folded", "metadata"}

# Where Keras keeps the values of an optimizer.
_OPTIMIZER = "optimizer/"


def load(path: str | Path) -> HyperSeg:
    """Load a model that `save` wrote; logits are those of the saved one, bit for bit.

    The file may come from anybody: nothing in it is run, and no other file is opened.

    Args:
        path: A `.keras` file, the folder of a run, which has one, or the name of one of
            `bundled.MODELS`.

    Returns:
        HyperSeg: Not compiled; weights are finite.

    Raises:
        UserError: The file is missing, damaged, no HyperSeg of this library, or has
            weights that are not finite.
    """
    path = file_of(path)
    with _refusals(path), archive.open_archive(path) as file:
        config = _read_config(file)
        with _weights(file) as weights:
            _check_fits_file(config["preset"], weights)
            model = HyperSeg(**config)
            _set_weights(model, weights)
    return model


def file_of(path: str | Path) -> Path:
    """The file that is meant by its path, that of its run, or a bundled model's name.

    Raises:
        UserError: A bundled model is not installed.
    """
    path = bundled.file_of(path)
    best = path / BEST
    return best if best.is_file() else path


def read_preset(path: str | Path) -> Preset:
    """The architecture of the model in a `.keras` file, without its weights.

    Args:
        path: As of `load`.

    Raises:
        UserError: As `load`.
    """
    path = file_of(path)
    with _refusals(path), archive.open_archive(path) as file:
        return _read_config(file)["preset"]


def restore(model: keras.Model, path: str | Path) -> None:
    """Set the weights of a model, and of its optimizer if it is compiled, from a file.

    Args:
        model: Built, of the architecture that was saved.
        path: A `.keras` file.

    Raises:
        UserError: The file is missing, damaged, of another architecture, or has values
            that are not finite.
    """
    path = Path(path)
    with _refusals(path), archive.open_archive(path) as file:
        with _weights(file) as weights:
            _set_weights(model, weights)


def check_complete(path: str | Path) -> None:
    """Raise `UserError` unless `path` is a `.keras` file with all its bytes."""
    path = Path(path)
    with _refusals(path), archive.open_archive(path) as file:
        for member in (_CONFIG, WEIGHTS):
            archive.check_member(file, member)


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    """Whatever is wrong with a file, as one sentence that names it."""
    if not path.exists() or path.is_dir():
        raise _no_model(path)
    try:
        yield
    except (ArchiveError, HDF5Error, ValueError) as error:
        if path.suffix.lower() != ".keras":
            raise _no_model(path) from error
        raise UserError(
            f"a model must be a .keras file of this library: {path} is not ("
            f"{shortened(error, 500).rstrip('.')}); train or convert it again."
        ) from error
    except OSError as error:
        if isinstance(error.filename, str) and Path(error.filename) != path:
            raise  # of the copy: a full disk
        raise UserError(
            f"a model must be a readable .keras file: {path}: "
            f"{error.strerror or shortened(error)}; check the path and its permissions."
        ) from error


def _no_model(path: Path) -> UserError:
    said = no_model(path)
    end = "" if said.endswith("?") else "."
    return UserError(f"a model is a .keras file that train wrote: {path} {said}{end}")


def _read_config(file) -> dict:
    """The arguments of `HyperSeg`, from a config that names that and nothing else."""
    try:
        config = json.loads(archive.read_member(file, _CONFIG, _LARGEST_CONFIG))
    except (ValueError, RecursionError) as error:
        if isinstance(error, ArchiveError):
            raise
        raise ValueError(f"its {_CONFIG} is no JSON ({error})") from error
    if not isinstance(config, dict):
        raise ValueError(f"its {_CONFIG} describes no object")
    named = {key: config.get(key) for key in _CLASS}
    if config.get("module") not in _MODULES or named != _CLASS:
        raise ValueError(
            f"it holds a {shortened(config.get('module'))} "
            f"{shortened(config.get('class_name'))}, not a HyperSeg"
        )
    fields = config.get("config")
    if not isinstance(fields, dict) or not {"preset"} <= fields.keys() <= _FIELDS:
        raise ValueError(
            f"a HyperSeg is described by {', '.join(sorted(_FIELDS))}: got "
            f"{shortened(list(fields) if isinstance(fields, dict) else fields)}"
        )
    types = {"name": str, "implementation": str, "folded": bool, "metadata": dict}
    for name, kind in types.items():
        if name in fields and not isinstance(fields[name], kind):
            raise ValueError(f"its {name} is {shortened(fields[name])}")
    preset = Preset.from_dict(fields["preset"])
    backbones.check(preset.backbone, preset.backbone_padding)
    if "metadata" in fields:
        check_metadata(fields["metadata"], preset.num_classes)
    return {**fields, "preset": preset}


@contextmanager
def _weights(file) -> Iterator[dict[str, h5py.Dataset]]:
    """The arrays of the weights by their place in the file, looked at, none read.

    They lie in a copy that nobody else can write to; its path is the file's name.
    """
    with tempfile.TemporaryDirectory(prefix="hyperseg_tf_") as folder:
        copy = Path(folder, WEIGHTS)
        archive.extract_member(file, WEIGHTS, copy)
        try:
            opened = h5py.File(copy, "r")
        except (OSError, RuntimeError) as error:
            raise HDF5Error(f"its {WEIGHTS} is damaged ({error})") from error
        with opened:
            yield hdf5.scan(opened, copy.stat().st_size)


def _check_fits_file(preset, weights):
    """Before a model is built: its weights must be in the file."""
    least, found = least_parameters(preset), sum(a.size for a in weights.values())
    if least > found:
        raise ValueError(
            f"its preset needs {least} weights at least, the file has {found}"
        )


def _set_weights(model, weights):
    optimizer = getattr(model, "optimizer", None)
    of_optimizer = optimizer.variables if optimizer and optimizer.built else []
    own = [a for place, a in weights.items() if not place.startswith(_OPTIMIZER)]
    other = [a for place, a in weights.items() if place.startswith(_OPTIMIZER)]
    _check_there("model", model.weights, own)
    _check_there("optimizer", of_optimizer, other)
    copy = next(iter(weights.values())).file.filename
    try:
        model.load_weights(copy)
    except Exception as error:  # Keras raises whatever its layers do
        raise ValueError(f"its weights do not fit ({first_line(error)})") from error
    loaded = [*model.weights, *of_optimizer]
    check_finite((v, keras.ops.convert_to_numpy(v)) for v in loaded)


def _check_there(owner, variables, arrays):
    """Before any is read: for every variable an array of its shape and type."""
    missing = Counter(map(_kind, variables)) - Counter(map(_kind, arrays))
    if missing:
        (shape, kind), count = next(iter(missing.items()))
        raise ValueError(
            f"the {owner} has {count} arrays of shape {shape} and type {kind!r} more "
            f"than the file, which lacks {sum(missing.values())} of {len(variables)}"
        )


def _kind(array) -> tuple[tuple[int, ...], str]:
    """Shape, and whether its values are floats, integers or unsigned."""
    if isinstance(array, h5py.Dataset):
        kind = "f" if hdf5.is_bfloat16(array) else array.dtype.kind
    else:
        kind = "f" if "float" in array.dtype else array.dtype[0]
    return tuple(array.shape), kind
