"""Which implementation of the dynamic convolution runs, decided in one place."""

import importlib
import os

import keras

from hyperseg_tf.ops import einsum, slices

IMPLEMENTATIONS = ("auto", "einsum", "slices", "xla")
ENVIRONMENT = "HYPERSEG_TF_IMPLEMENTATION"


def check(name: str) -> str:
    """Return `name` if it is an implementation, else raise ValueError."""
    if name not in IMPLEMENTATIONS:
        raise ValueError(
            f"implementation must be one of {IMPLEMENTATIONS}: got {name!r}."
        )
    return name


def resolve(name: str) -> str:
    """Turn "auto" into the fastest implementation of this backend.

    The environment variable HYPERSEG_TF_IMPLEMENTATION overrides "auto" alone.
    """
    if check(name) == "auto":
        name = check(os.environ.get(ENVIRONMENT, "auto"))
    if name == "auto":
        name = "xla" if keras.backend.backend() == "tensorflow" else "slices"
    return name


def primitives(name: str):
    """The module with convolve, pointwise and depthwise of a resolved name."""
    if name == "xla" and keras.backend.backend() == "tensorflow":
        return importlib.import_module("hyperseg_tf.ops.xla")
    return einsum if name == "einsum" else slices


def compile_if(name: str, function):
    """Compile `function` with XLA when the resolved implementation asks for it.

    Only the dynamic part is compiled: XLA on a CPU is far slower than the
    stock kernels on the ordinary convolutions around it. With JAX nothing is done
    here, the whole network is compiled anyway.
    """
    if name != "xla" or keras.backend.backend() != "tensorflow":
        return function
    return primitives(name).compiled(function)
