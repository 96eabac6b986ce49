"""Packages that the extra `test` installs, and a laptop may lack."""

import importlib
import os

import pytest


def needed(name: str):
    """Import a module; without it fail in CI, where it must be, and skip elsewhere."""
    if os.environ.get("CI"):
        return importlib.import_module(name)
    return pytest.importorskip(name)
