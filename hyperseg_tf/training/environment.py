"""On what, and from which state of the code, a run was trained."""

import platform
import subprocess
from pathlib import Path
from typing import Any

import keras

import hyperseg_tf
from hyperseg_tf.base.machine import processor, usable_cores
from hyperseg_tf.training.devices import names

_GIT_SECONDS = 10


def environment() -> dict[str, Any]:
    """What run.json says beside the versions: machine, devices, backend, code.

    Returns:
        JSON-able: "system", "processor", "cores", "devices" by name, "backend" of
        Keras, and "git", the commit of a checkout with "+changes" where files differ
        from it; None for an installed package.
    """
    return {
        "system": platform.platform(),
        "processor": processor(),
        "cores": usable_cores(),
        "devices": names(),
        "backend": keras.backend.backend(),
        "git": git_state(Path(hyperseg_tf.__file__).parents[1]),
    }


def git_state(folder: Path) -> str | None:
    """The commit that is checked out in `folder`, None where there is none.

    Only a repository that begins at `folder` counts: an environment within somebody's
    own repository says nothing about this code.
    """
    if not (folder / ".git").exists():
        return None
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("+changes" if changed else "")


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *words],
        capture_output=True,
        text=True,
        check=True,
        timeout=_GIT_SECONDS,
    )
    return done.stdout.strip()
