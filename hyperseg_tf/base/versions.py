"""Versions of everything a number depends on, for result files."""

import platform
from importlib import metadata

from hyperseg_tf import __version__


def versions(*more: str) -> dict[str, str]:
    """Return the versions of Python, this library, the packages below it and others."""
    found = {"hyperseg_tf": __version__, "python": platform.python_version()}
    for package in ("keras", "tensorflow", "numpy", "pillow", *more):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
