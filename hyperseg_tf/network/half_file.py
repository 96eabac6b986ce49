"""A model's file at half its size: kernels stored in 16 bits, computed in 32.

`model_file.load` reads it like any other. What has one axis or none (biases, what
batch normalization has learnt and counted) keeps its 32 bits: it is small, and running
variances have a wider range than float16.
"""

import tempfile
import zipfile
from pathlib import Path

import h5py
import numpy as np

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.network.model import HyperSeg
from hyperseg_tf.network.model_file import MEMBERS, WEIGHTS

LARGEST = float(np.finfo(np.float16).max)


def save_half(model: HyperSeg, path: Path) -> None:
    """Write a model as a `.keras` file with its kernels in float16.

    Args:
        model: Its kernels are finite; not changed, and written without an optimizer.
        path: A new file.

    Raises:
        UserError: A kernel has a value beyond float16's range; nothing is written.
        OSError: `path` cannot be written.
    """
    for weight in model.weights:
        if len(weight.shape) > 1:
            _check_range(weight.path, np.asarray(weight))
    with tempfile.TemporaryDirectory(prefix="hyperseg_tf_") as folder:
        whole, weights = Path(folder, "whole.keras"), Path(folder, WEIGHTS)
        model.save(whole)
        # Exponents of float16 are alike: packing saves a tenth.
        packed = zipfile.ZipFile(path, "x", zipfile.ZIP_DEFLATED, compresslevel=9)
        with zipfile.ZipFile(whole) as read, packed as written:
            read.extract(WEIGHTS, folder)
            halved = Path(folder, "half.h5")
            with h5py.File(weights, "r") as source, h5py.File(halved, "w") as target:
                _copy(source, target)
            for name in MEMBERS:
                if name == WEIGHTS:
                    written.write(halved, name)
                else:
                    written.writestr(name, read.read(name))


def _check_range(path, values):
    largest = float(np.abs(values).max(initial=0.0))
    if not largest <= LARGEST:
        raise UserError(
            f"kernels are stored in float16 up to {LARGEST:g}: {path} has {largest:g}; "
            "write the model in float32."
        )


def _copy(source: h5py.Group, target: h5py.Group) -> None:
    """All groups and arrays below `source`, those of the optimizer left out."""
    target.attrs.update(source.attrs)
    for name, item in source.items():
        if isinstance(item, h5py.Group):
            if item.name != "/optimizer":
                _copy(item, target.create_group(name))
            continue
        values = item[()]
        if values.ndim > 1 and values.dtype == np.float32:
            values = values.astype(np.float16)
        target.create_dataset(name, data=values).attrs.update(item.attrs)
