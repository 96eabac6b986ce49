"""Which implementation of the dynamic convolution runs, decided in one place.

"auto" takes the fastest that is right for the place and says once which and why. The
environment variable HYPERSEG_TF_IMPLEMENTATION overrides "auto" for the whole process;
a model or a layer that names an implementation keeps it.
"""

import functools
import importlib
import logging
import os

import keras

from hyperseg_tf.ops import replicas
from hyperseg_tf.ops.path import PLAIN, Path

IMPLEMENTATIONS = ("auto", "einsum", "slices", "xla", "fused")
ENVIRONMENT = "HYPERSEG_TF_IMPLEMENTATION"

_log = logging.getLogger("hyperseg_tf")


def check(name: str) -> str:
    """Return `name` if it is an implementation, else raise ValueError."""
    if name not in IMPLEMENTATIONS:
        raise ValueError(
            f"implementation must be one of {IMPLEMENTATIONS}: got {name!r}."
        )
    return name


def level_path(name: str, training: bool = False, dtype: str = "float32") -> Path:
    """How a level of the decoder runs here.

    Asked wherever a graph is traced or a layer called: inside a function that XLA
    compiles, the custom ops cannot run, and nothing has to be compiled by itself.

    Args:
        name: One of `IMPLEMENTATIONS`.
        training: Gradients of everything, with the statistics of the batch.
        dtype: Of the maps; the ops of training are for float32.

    Raises:
        ValueError: The name is unknown.
        RuntimeError: "fused" was asked for and cannot be had.
    """
    chosen = _without_kernels(name, training)
    if isinstance(chosen, Path):
        return chosen
    if chosen == "fused" and not training:
        return Path(name="fused", block=_ops().block)
    xla = importlib.import_module("hyperseg_tf.ops.xla")
    compiled = {"name": chosen, "compile": xla.compiled, "portable": True}
    if not training:
        # As one function; training picks the best kernel for each step.
        return Path(**compiled, whole=True)
    staged = chosen == "fused" and not no_stages()
    if staged and dtype != "float32":
        _warn(f"the fused stages of training are for float32, and this is {dtype}.")
        staged = False
    stage = _ops().stage if staged else None
    return Path(**compiled, training=True, steps=xla, stage=stage)


def conv_path(name: str) -> Path:
    """How a single dynamic convolution runs here; see `level_path`."""
    chosen = _without_kernels(name)
    if isinstance(chosen, Path):
        return chosen
    if chosen == "fused":
        return Path(name="fused", conv=_ops().conv)
    xla = importlib.import_module("hyperseg_tf.ops.xla")
    return Path(name="xla", steps=xla, compile=xla.compiled)


def for_any_size() -> str:
    """The fastest for pictures of many sizes: "xla" would compile anew for each.

    The environment variable decides here, too, unless it says "xla".
    """
    asked = check(os.environ.get(ENVIRONMENT, "auto"))
    if asked not in ("auto", "xla"):
        return asked
    reason = _no_fused()
    chosen = "slices" if reason else "fused"
    if asked == "auto":
        _say(chosen, False, reason)
    return chosen


def fused_cpu(name: str) -> bool:
    """Whether the custom ops that only a CPU has may run."""
    if keras.backend.backend() != "tensorflow" or in_xla():
        return False
    if resolve(name) != "fused":
        return False
    import tensorflow as tf

    return not tf.config.get_visible_devices("GPU")


def resolve(name: str, training: bool = False) -> str:
    """Turn "auto" into the fastest implementation of this backend and place.

    Args:
        name: One of `IMPLEMENTATIONS`.
        training: Whether gradients of a whole level are needed, with the statistics of
            the batch; the fused kernels have them on the CPU.

    Raises:
        ValueError: The name is unknown.
        RuntimeError: "fused" was asked for and cannot be had.
    """
    asked = check(name)
    if asked == "auto":
        asked = check(os.environ.get(ENVIRONMENT, "auto"))
    if asked == "auto":
        return _fastest(training)
    if asked == "fused":
        reason = _no_ops()
        if reason:
            raise RuntimeError(
                f"the fused kernels are not available: {reason} "
                "implementation='auto' takes the next fastest."
            )
        _say_on_cpu(_ops().unavailable_on_gpu())
    return asked


def in_xla() -> bool:
    """Whether TensorFlow is tracing a function for XLA to compile."""
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf
    from tensorflow.python.ops import control_flow_util

    return control_flow_util.GraphOrParentsInXlaContext(
        tf.compat.v1.get_default_graph()
    )


def _without_kernels(name, training=False):
    """The path where it needs neither a compiler nor the ops, else what is left."""
    if in_xla() and check(name) != "einsum":
        return Path(name="slices", training=training, portable=True)
    chosen = resolve(name, training)
    if keras.backend.backend() != "tensorflow" and chosen == "xla":
        chosen = "slices"
    return PLAIN.get((chosen, training), chosen)


def _fastest(training):
    if keras.backend.backend() != "tensorflow":
        chosen, reason = "slices", f"the {keras.backend.backend()} backend compiles it"
    elif training and no_stages():
        chosen, reason = "xla", ""
    else:
        reason = _no_fused()
        chosen = "xla" if reason else "fused"
    _say(chosen, training, reason)
    return chosen


def no_stages() -> str:
    """Why the fused kernels cannot train here though they can run, "" if they can."""
    import tensorflow as tf

    if tf.config.get_visible_devices("GPU"):
        return "their stages of training are for the CPU, and there is a GPU."
    if replicas.count() > 1:
        return "their stages of training take the statistics of one device."
    return ""


def _no_fused() -> str:
    """Why the fused kernels are not the fastest here, "" if they are."""
    return _no_ops() or _ops().unavailable_on_gpu() or ""


def _no_ops() -> str:
    """Why the fused kernels cannot run here on any device, "" if they can."""
    if keras.backend.backend() != "tensorflow":
        return f"they are TensorFlow's, the backend is {keras.backend.backend()}."
    return _ops().unavailable() or ""


def _ops():
    return importlib.import_module("hyperseg_tf.ops.fused")


@functools.cache
def _say_on_cpu(reason):
    if reason:
        _log.warning("'fused' was asked for and runs on the CPU: %s", reason)


def _say(chosen, training, reason):
    if reason and keras.backend.backend() == "tensorflow":
        _warn(reason)
        reason = ""
    _tell(chosen, training, reason)


@functools.cache
def _warn(reason):
    _log.warning("dynamic convolutions take a slower path than they could: %s", reason)


@functools.cache
def _tell(chosen, training, reason):
    place = "training" if training else "inference"
    because = f"; no faster one: {reason}" if reason else ""
    _log.info("dynamic convolutions run as %r in %s%s", chosen, place, because)
