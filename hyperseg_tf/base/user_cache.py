"""The user's cache folder: what can be had again, and costs time."""

import os
from pathlib import Path

CACHE = "HYPERSEG_TF_CACHE"


def folder() -> Path:
    """$HYPERSEG_TF_CACHE, or `hyperseg_tf` in the user's cache folder; not made.

    Raises:
        RuntimeError: Nothing says where the user's folder is.
    """
    if os.environ.get(CACHE):
        return Path(os.environ[CACHE])
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "hyperseg_tf"
