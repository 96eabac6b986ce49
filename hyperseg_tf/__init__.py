"""Real-time semantic segmentation with patch-wise hypernetworks (HyperSeg).

The public names load on first use, so that `import hyperseg_tf` is instant.
"""

import importlib

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
    "UserError": "base.errors",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str):
    if name in _HOME:
        if name == "HyperSeg":
            # Reads what `HyperSeg.from_preset(weights=...)` names.
            importlib.import_module(f"{__name__}.convert")
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
