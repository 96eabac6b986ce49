"""Write a file as torch does, and read all of one as we do."""

import tracemalloc
from contextlib import contextmanager

import pytest
import torch

from hyperseg_tf.convert.torch_file.objects import TensorData
from hyperseg_tf.convert.torch_file.reader import open_torch

FORMATS = pytest.mark.parametrize("new", [True, False], ids=["zip", "legacy"])


def save(value, path, new=True, protocol=2):
    torch.save(
        value, path, _use_new_zipfile_serialization=new, pickle_protocol=protocol
    )


def values(path):
    """Everything in a file, tensors as arrays; tuples for what cannot be compared."""

    def plain(value):
        if isinstance(value, TensorData):
            return ("tensor", value.dtype_name, value.shape, file.read(value).tobytes())
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(map(plain, value))
        return value

    with open_torch(path) as file:
        return plain(file.data)


@contextmanager
def at_most(mebibytes):
    """No more than this is allocated inside, whatever a file says."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < mebibytes << 20, f"{peak / (1 << 20):.1f} MiB"
