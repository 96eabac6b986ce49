"""What a path seems to be that is named for a model and holds none.

That it "does not exist" is rarely what helps, and often it does.
"""

import os
from pathlib import Path

from hyperseg_tf import presets
from hyperseg_tf.base.names import nearest
from hyperseg_tf.base.picture_file import SUFFIXES
from hyperseg_tf.base.typed_path import no_path
from hyperseg_tf.network.bundled import MODELS

_EXPORTS = (".onnx", ".tflite", ".plan", ".pb", ".xml")


def no_model(path: str | Path) -> str:
    """Say what is there instead, and the way out: "is a SavedModel; ...".

    Args:
        path: As it was named, and not a file that is a model.
    """
    name = str(path)
    if other := no_path(name):
        return other
    if os.path.isdir(name):
        return _folder(Path(name))
    if os.path.lexists(name):
        return _file(Path(name))
    if name in presets.PRESETS:
        return (
            "is an architecture, which has no trained weights; train it: hyperseg-tf "
            f"train own_folder --preset {name}"
        )
    return f"does not exist; {_near(name)}"


def _folder(path: Path) -> str:
    names = set(os.listdir(path)) if os.access(path, os.R_OK) else set()
    if "saved_model.pb" in names:
        return (
            "is a SavedModel, which is for serving and cannot be read back; name the "
            ".keras file that it was exported from"
        )
    if "latest.keras" in names:
        return (
            "is a run whose first epoch has not been validated yet; wait for its "
            "model.keras"
        )
    if "run.json" in names:
        return "is a run without a model.keras; let it train for an epoch"
    found = sorted(name for name in names if name.endswith(".keras"))
    if found:
        return f"is a folder; name a file in it: {path / found[0]}"
    return "is a folder without a model.keras; name the folder of a run, or its file"


def _file(path: Path) -> str:
    suffix = path.suffix.lower()
    if not path.exists():
        return f"is a link to {os.readlink(path)}, which is not there; mend it"
    if (path.parent / "model.keras").is_file() and path.name != "model.keras":
        return f"is another file of a run; name {path.parent / 'model.keras'}"
    if suffix in (".pth", ".pt"):
        return f"is a file of PyTorch; turn it into one: hyperseg-tf convert {path}"
    if suffix in (".h5", ".hdf5"):
        return "is an HDF5 file of weights alone, without a model; name a .keras file"
    if suffix in _EXPORTS:
        return (
            "is an export, which cannot be read back; name the .keras file that it "
            "was made from"
        )
    if suffix in (*SUFFIXES, ".gif"):
        return "is a picture; the model comes first, then pictures"
    return "is none; it is damaged, or of another program: get it again"


def _near(name: str) -> str:
    """The way out for a name that nothing has."""
    path = Path(name)
    try:
        there = os.listdir(path.parent)
    except OSError:
        return "correct the path"
    is_name = path.name == name and not path.suffix
    if is_name:
        there += [*MODELS, *presets.PRESETS]
    meant = nearest(path.name, there)
    if meant:
        return f"did you mean {path.parent / meant}?"
    if is_name:
        return (
            f"trained models by name are {', '.join(MODELS)}, and `hyperseg-tf "
            "presets` lists architectures"
        )
    return "correct the path"
