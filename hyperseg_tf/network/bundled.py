"""Trained models that a package of ours brings, by name.

The package `hyperseg-tf-weights` has files alone, no code. Each is known here by its
bytes: another file under its name is refused.
"""

from dataclasses import dataclass
from pathlib import Path

from hyperseg_tf.base.packaged import PackagedFile

PACKAGE = "hyperseg_tf_weights"
VERSION = "0.1.0"


@dataclass(frozen=True)
class Bundled:
    """A trained model.

    Attributes:
        file: Where it is.
        preset: Its architecture.
        short_side: Pixels of the shorter side of the pictures it was trained on; what
            it predicts is best near it.
        says: What it is, in a few words.
    """

    file: PackagedFile
    preset: str
    short_side: int
    says: str


def _file(name: str, sha256: str) -> PackagedFile:
    return PackagedFile(PACKAGE, VERSION, name, sha256)


MODELS = {
    "road11-small": Bundled(
        _file(
            "road11-small.keras",
            "869548ed59e8f54039a6b4c94e64e6611ceac2db2d4e7b31cffd151d6c09b546",
        ),
        preset="hyperseg_s_lite0",
        short_side=360,
        says="road scenes in CamVid's 11 classes, small",
    ),
    "road11": Bundled(
        _file(
            "road11.keras",
            "43606255bfd3c56dbc43beb0110ccede509ed5eba409d0485859c58efb08fed1",
        ),
        preset="hyperseg_m_lite1",
        short_side=360,
        says="road scenes in CamVid's 11 classes",
    ),
}


def is_bundled(model) -> bool:
    """Whether `model` names one of `MODELS` and no file or folder that is there."""
    return (
        isinstance(model, str | Path)
        and str(model) in MODELS
        and not Path(model).exists()
    )


def file_of(model: str | Path) -> Path:
    """The file of a bundled model, checked; any other path as it is.

    Raises:
        UserError: Its package is not installed, or has another file.
    """
    if not is_bundled(model):
        return Path(model)
    name = str(model)
    return MODELS[name].file.path(
        f"{name} is in the package {MODELS[name].file.distribution}, which is not "
        "installed: pip install 'hyperseg_tf[weights]', or, from a checkout, pip "
        "install ./weights."
    )
