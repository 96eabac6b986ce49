"""Weights from elsewhere: released checkpoints, ImageNet files, own files; and back."""

import importlib

_HOME = {
    "load_weights": "sources",
    "from_pth": "pth",
    "load_pth": "pth",
    "to_pth": "pth",
    "pth_to_keras": "files",
    "keras_to_pth": "files",
}

__all__ = [*_HOME]


def __getattr__(name: str):
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
