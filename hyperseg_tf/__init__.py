"""Real-time semantic segmentation with patch-wise hypernetworks (HyperSeg).

The public names load on first use, so that `import hyperseg_tf` is instant. What
`keras.models.load_model` must know is registered when the program imports Keras, before
or after this.
"""

import importlib
import sys

from hyperseg_tf.base.after_import import after_import

__version__ = "0.1.0"

_HOME = {
    "HyperSeg": "network.model",
    "load": "network.model_file",
    "DPWConv": "network.dpw_conv",
    "Preset": "presets",
    "Segmenter": "inference.segmenter",
    "train": "training.train",
    "evaluate": "evaluation.evaluate",
    "predict": "inference.predict",
    "predict_files": "inference.predict",
    "preprocess": "inference.preprocess",
    "UserError": "base.errors",
}

# Have all classes that are registered with Keras, or import those that have.
_REGISTERING = (
    "network.model",
    "training.losses",
    "training.optimizer",
    "training.schedules",
    "evaluation.metrics",
)

__all__ = ["__version__", "register", *_HOME]


def register() -> None:
    """Let Keras find our classes by their names, so that `load_model` works.

    Done by itself when a program imports Keras and this library, in any order. Imports
    Keras.
    """
    for module in _REGISTERING:
        importlib.import_module(f"{__name__}.{module}")


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name not in ("Preset", "UserError"):
        _import_keras()
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)


def _import_keras() -> None:
    """Import Keras, quietly, and with it what reads `from_preset(weights=...)`."""
    if "keras" not in sys.modules:
        importlib.import_module(f"{__name__}.base.quiet").import_quietly("keras")
    register()
    importlib.import_module(f"{__name__}.convert")


def _register_for_others() -> None:
    """Register, unless it is one of our own modules that imports Keras."""
    for name, module in list(sys.modules.items()):
        spec = getattr(module, "__spec__", None)
        if name.startswith(f"{__name__}.") and getattr(spec, "_initializing", False):
            return
    register()


after_import("keras", _register_for_others)
