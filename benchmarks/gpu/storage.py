"""How the kernels' values are stored: float32, bfloat16 and float16 in NumPy."""

import numpy as np

TYPES = ("float32", "bfloat16", "float16")
STEP = {"float32": 0.0, "bfloat16": 2.0**-7, "float16": 2.0**-10}


def storage(kind: str):
    """NumPy has no bfloat16: its bits are stored."""
    return {"float32": "float32", "bfloat16": "uint16", "float16": "float16"}[kind]


def store(values, kind: str):
    """Round float32 values to a type, ties to even."""
    values = np.ascontiguousarray(values, "float32")
    if kind != "bfloat16":
        return values.astype(kind)
    bits = values.view("uint32")
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("uint16")


def stored_values(values, kind: str):
    """Values as they are after a round through a type."""
    return value(store(values, kind), kind)


def value(stored, kind: str):
    """The values of a stored array, in double precision."""
    if kind == "bfloat16":
        stored = (stored.astype("uint32") << 16).view("float32")
    return stored.astype("float64")
