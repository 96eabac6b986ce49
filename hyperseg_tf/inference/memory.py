"""Telling that a picture was too large for the memory from every other failure."""

import errno


def out_of_memory(error: Exception) -> bool:
    """Whether this is how Python, TensorFlow, JAX or the system say it."""
    if (
        isinstance(error, MemoryError)
        or type(error).__name__ == "ResourceExhaustedError"
    ):
        return True
    if type(error).__name__ == "JaxRuntimeError":
        return str(error).startswith("RESOURCE_EXHAUSTED")
    return isinstance(error, OSError) and error.errno == errno.ENOMEM
