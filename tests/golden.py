"""Where the reference numbers are; they are not part of the repository."""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest

_DEFAULT = Path(__file__).resolve().parents[1].parent / "shared" / "golden"


def golden_dir() -> Path:
    """Return the folder of golden files; without it fail under CI, skip elsewhere."""
    folder = Path(os.environ.get("HYPERSEG_GOLDEN", _DEFAULT))
    if not folder.is_dir():
        stop = pytest.fail if os.environ.get("CI") else pytest.skip
        stop(f"no golden files in {folder}; set HYPERSEG_GOLDEN to their folder")
    return folder


def load_recipe():
    """Return golden/recipe.py, which redraws weights and inputs, as a module."""
    spec = importlib.util.spec_from_file_location(
        "golden_recipe", golden_dir() / "recipe.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def state_dict(model: str) -> dict[str, np.ndarray]:
    """Return the redrawn weights of a reference model, by their official names."""
    recipe = load_recipe()
    spec = recipe.load_spec(golden_dir() / "specs" / f"{model}.json")
    return recipe.official_state_dict(spec)


def arrays(model: str):
    """Return the arrays of golden/<model>.npz, loaded on access."""
    return np.load(golden_dir() / f"{model}.npz")
