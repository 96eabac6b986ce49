"""Versions of everything a number depends on, for result files."""

import platform
from importlib import metadata

from hyperseg_tf import __version__


def versions() -> dict[str, str]:
    """Return the versions of Python, this library and the packages below it."""
    found = {"hyperseg_tf": __version__, "python": platform.python_version()}
    for package in ("keras", "tensorflow", "numpy", "pillow"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
