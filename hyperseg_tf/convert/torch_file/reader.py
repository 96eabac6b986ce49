"""Files of torch.save, read without torch: what they hold, and tensors on demand.

Opening reads the description alone; a tensor costs memory when it is asked for.
"""

import os
import pickle
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.convert.refused import DAMAGED, Refused
from hyperseg_tf.convert.torch_file import legacy_format as torch_legacy
from hyperseg_tf.convert.torch_file import zip_format as torch_zip
from hyperseg_tf.convert.torch_file.objects import TensorData
from hyperseg_tf.convert.torch_file.zip_format import Extent

_CHUNK = 1 << 20
# A tensor may be a slice, but not a needle in a storage that must be read whole.
_SPREAD = 16


class TorchFile:
    """An open file of torch.save.

    Attributes:
        data: What was saved; tensors are `TensorData`.
    """

    def __init__(self, file, data: object, extents: dict[str, Extent]):
        self.data = data
        self._file = file
        self._extents = extents
        self._checked: set[str] = set()

    def read(self, tensor: TensorData) -> np.ndarray:
        """The elements of one tensor, in its shape; bfloat16 becomes float32.

        Raises:
            Refused: If the bytes are cut off or fail their checksum.
        """
        dtype, span = tensor.storage.dtype, tensor.span * tensor.storage.dtype.itemsize
        if span > _SPREAD * tensor.elements * dtype.itemsize + _CHUNK:
            raise Refused(f"a tensor of shape {tensor.shape} is spread over {span} B")
        extent = self._extents[tensor.storage.key]
        start = tensor.offset * dtype.itemsize
        raw = self._bytes(Extent(extent.start + start, span))
        self._check(tensor.storage.key, extent, raw if span == extent.size else None)
        flat = np.frombuffer(raw, dtype)
        strides = tuple(stride * dtype.itemsize for stride in tensor.strides)
        if tensor.elements:
            # Shape, strides and offset were checked against the storage.
            value = np.lib.stride_tricks.as_strided(flat, tensor.shape, strides)
        else:
            value = np.zeros(tensor.shape, dtype)
        value = np.ascontiguousarray(value).reshape(tensor.shape)
        if tensor.storage.kind == "BFloat16Storage":
            value = (value.astype("<u4") << 16).view("<f4")
        return value

    def _check(self, key, extent, raw):
        """Compare a storage's checksum, once; `raw` is all of it, if it was read."""
        if extent.crc is None or key in self._checked:
            return
        crc = 0 if raw is None else zlib.crc32(raw)
        if raw is None:
            for start in range(0, extent.size, _CHUNK):
                count = min(_CHUNK, extent.size - start)
                crc = zlib.crc32(self._bytes(Extent(extent.start + start, count)), crc)
        if crc != extent.crc:
            raise Refused(f"storage {key} fails its checksum", DAMAGED)
        self._checked.add(key)

    def _bytes(self, extent):
        raw = bytearray(extent.size)
        self._file.seek(extent.start)
        if self._file.readinto(raw) != extent.size:
            raise Refused("a storage is cut off", DAMAGED)
        return raw


@contextmanager
def open_torch(path: str | os.PathLike) -> Iterator[TorchFile]:
    """Open a file that torch.save wrote, in either of its formats.

    Args:
        path: The file; it is never trusted, nothing in it is run.

    Raises:
        UserError: If it is missing or refused, also for a `Refused` in the block.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"a checkpoint is a file of torch.save: {path} is no file.")
    with path.open("rb") as file:
        try:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            begin = file.read(4)
            if begin == torch_zip.SIGNATURE:
                data, extents = torch_zip.read(file, size)
            elif begin[:1] == pickle.PROTO:
                data, extents = torch_legacy.read(file, size)
            else:
                raise Refused("it begins like no file of torch.save", DAMAGED)
            yield TorchFile(file, data, extents)
        except Refused as error:
            raise UserError(error.sentence(path)) from error
