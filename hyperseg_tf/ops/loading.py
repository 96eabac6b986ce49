"""Load a library of the ops into TensorFlow: the bytes that were checked, no others.

They are loaded from a copy in memory that nothing can change. A file could be
replaced after the check, or be cut short while it is mapped, and end the process.
"""

import fcntl
import functools
import os
from pathlib import Path

from hyperseg_tf.base.text import first_line
from hyperseg_tf.ops import seal
from hyperseg_tf.ops.compiler import KernelsUnavailable

# What `kernels/tensorflow/` registers.
OPS = (
    *("DpwBlock", "DpwConv", "DpwConvGrad", "DpwStage", "DpwStageGrad"),
    *("ExpandDepthwise", "GatedProject", "SqueezeExcite"),
    *("ClassMap", "MapBytes", "NormaliseBytes", "SampleWindow"),
)


@functools.cache
def load(path: Path):
    """The module of the ops in a library; a second time would register them twice.

    Raises:
        KernelsUnavailable: It may not be trusted, is damaged, cannot be loaded, or
            has other ops.
    """
    try:
        content = seal.contents(path)
    except (FileNotFoundError, seal.Damaged) as error:
        raise KernelsUnavailable(f"{path} changed meanwhile ({error}).") from error
    module = _load(content, path)
    missing = [name for name in OPS if not hasattr(module, name)]
    if missing:
        raise KernelsUnavailable(
            f"{path} must have the ops of these sources: {', '.join(missing)} "
            f"{'are' if len(missing) > 1 else 'is'} missing; delete it."
        )
    return module


def _load(content, path):
    import tensorflow as tf

    try:
        try:
            return tf.load_op_library(_in_memory(content, path.name))
        except (tf.errors.OpError, OSError, AttributeError):
            # Not every system has or allows it. The file is one of ours alone.
            return tf.load_op_library(str(path.absolute()))
    except (tf.errors.OpError, OSError, RuntimeError) as error:
        raise KernelsUnavailable(
            f"{path} cannot be loaded ({first_line(error)}); delete it."
        ) from error


def _in_memory(content, name) -> str:
    """The path of a sealed copy. It stays open: TensorFlow knows libraries by path."""
    copy = os.memfd_create(name[-200:], os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(copy, "wb", closefd=False) as file:
        file.write(content)
    seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW
    fcntl.fcntl(copy, fcntl.F_ADD_SEALS, seals | fcntl.F_SEAL_SEAL)
    return f"/proc/self/fd/{copy}"
