"""Look at everything that an installation needs, builds and may have.

Nothing is built, downloaded or written. TensorFlow is imported here, and a TensorFlow
that cannot be is a finding.
"""

import os
import platform

from hyperseg_tf import __version__
from hyperseg_tf.base.machine import processor, usable_cores
from hyperseg_tf.base.text import first_line
from hyperseg_tf.installation.finding import Finding
from hyperseg_tf.installation.requirements import core, extras

# What changes which code runs, set for the whole process.
_SETTINGS = (
    *("KERAS_BACKEND", "CXX", "CUDA_HOME", "CUDA_VISIBLE_DEVICES"),
    *("HYPERSEG_TF_IMPLEMENTATION", "HYPERSEG_TF_GPU", "HYPERSEG_TF_CACHE"),
)


def examine() -> list[Finding]:
    """Return what is so here, in the order in which somebody would ask.

    Where none is `fatal`, models can be trained and used.
    """
    python = f"Python {platform.python_version()}"
    findings = [
        Finding("hyperseg_tf", f"{__version__}, {python}"),
        Finding(
            "machine",
            f"{platform.system()} {platform.machine()}, {processor()}, "
            f"{usable_cores()} cores",
        ),
        *core(),
    ]
    settings = [
        f"{name}={os.environ[name]}" for name in _SETTINGS if name in os.environ
    ]
    if settings:
        findings.append(Finding("settings", ", ".join(settings)))
    broken = _imported()
    if broken:
        return [*findings, broken, *extras()]
    # They need TensorFlow, or Keras.
    from hyperseg_tf.installation.kernels import devices, kernels
    from hyperseg_tf.installation.weights import weights

    return [*findings, *devices(), *kernels(), *extras(), *weights()]


def _imported() -> Finding | None:
    """What keeps TensorFlow and Keras from being imported, None if nothing does."""
    try:
        import keras  # noqa: F401
        import tensorflow as tf

        tf.constant(1.0) + 1.0
    # A broken installation raises anything.
    except Exception as error:
        return Finding(
            "TensorFlow",
            f"cannot be used: {first_line(error)}",
            "install it anew: pip install --force-reinstall hyperseg_tf, in an "
            "environment of its own",
            fatal=True,
        )
    return None
