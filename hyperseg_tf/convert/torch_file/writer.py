"""Write the zip format of torch.save (1.6 and later) without torch.

The pickle is put together opcode by opcode: its globals belong to a package that need
not be installed here, so no pickler could look them up.
"""

import pickle
import struct
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ALIGNMENT = 64

_ROOT = "archive"
_STORAGES = {"float32": "FloatStorage", "int64": "LongStorage"}
_LOCAL_HEADER = 30
_EARLIEST = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Record:
    """A tensor to be written; `value` is asked for only then.

    Attributes:
        name: Key in the state dict.
        shape: Its sides.
        dtype: "float32" or "int64".
        value: Returns the array, C-contiguous.
    """

    name: str
    shape: Sequence[int]
    dtype: str
    value: Callable[[], np.ndarray]


def write(
    path: Path,
    records: Iterable[Record],
    values: Mapping[str, str | int | float],
) -> None:
    """Write a checkpoint: a dict of `values` and, first, the "state_dict".

    One tensor is in memory at a time; the file is the same for the same content.

    Args:
        path: Where; an existing file is replaced.
        records: The state dict, in its order.
        values: What stands beside it.
    """
    records = list(records)
    with path.open("wb") as file, zipfile.ZipFile(file, "w") as archive:

        def add(name, data):
            info = zipfile.ZipInfo(f"{_ROOT}/{name}", _EARLIEST)
            start = file.tell() + _LOCAL_HEADER + len(info.filename) + 4
            padding = -start % ALIGNMENT
            info.extra = struct.pack("<2sH", b"FB", padding) + bytes(padding)
            archive.writestr(info, data)

        add("data.pkl", _pickle(records, values))
        add("byteorder", b"little")
        for key, record in enumerate(records):
            value = np.asarray(record.value(), f"<{np.dtype(record.dtype).str[1:]}")
            if value.shape != tuple(record.shape):
                raise ValueError(f"{record.name} is {value.shape}, not {record.shape}.")
            add(f"data/{key}", value.tobytes())
        add("version", b"3\n")


def _pickle(records, values):
    out = _Opcodes()
    out.raw(pickle.PROTO, b"\x02", pickle.EMPTY_DICT, pickle.MARK)
    out.value("state_dict")
    out.empty_ordered()
    out.raw(pickle.MARK)
    for key, record in enumerate(records):
        out.value(record.name)
        out.tensor(str(key), record)
    out.raw(pickle.SETITEMS)
    for name, value in values.items():
        out.value(name)
        out.value(value)
    out.raw(pickle.SETITEMS, pickle.STOP)
    return bytes(out.data)


class _Opcodes:
    """A pickle of protocol 2 in the making."""

    def __init__(self):
        self.data = bytearray()
        self._kept = {}

    def raw(self, *parts):
        for part in parts:
            self.data += part

    def value(self, value):
        if isinstance(value, str):
            text = value.encode("utf-8")
            self.raw(pickle.BINUNICODE, struct.pack("<I", len(text)), text)
        elif isinstance(value, float):
            self.raw(pickle.BINFLOAT, struct.pack(">d", value))
        elif 0 <= value < 256:
            self.raw(pickle.BININT1, struct.pack("<B", value))
        elif -(2**31) <= value < 2**31:
            self.raw(pickle.BININT, struct.pack("<i", value))
        else:
            self.raw(pickle.LONG1, b"\x09", value.to_bytes(9, "little", signed=True))

    def sides(self, values):
        self.raw(pickle.MARK)
        for value in values:
            self.value(int(value))
        self.raw(pickle.TUPLE)

    def named(self, module, name):
        """A global; the second time it is recalled."""
        if (module, name) in self._kept:
            self.raw(pickle.BINGET, bytes([self._kept[module, name]]))
            return
        self._kept[module, name] = len(self._kept)
        self.raw(pickle.GLOBAL, f"{module}\n{name}\n".encode())
        self.raw(pickle.BINPUT, bytes([self._kept[module, name]]))

    def empty_ordered(self):
        self.named("collections", "OrderedDict")
        self.raw(pickle.EMPTY_TUPLE, pickle.REDUCE)

    def tensor(self, key, record):
        shape = tuple(record.shape)
        strides = [
            int(np.prod(shape[i + 1 :], dtype=np.int64)) for i in range(len(shape))
        ]
        self.named("torch._utils", "_rebuild_tensor_v2")
        self.raw(pickle.MARK, pickle.MARK)
        self.value("storage")
        self.named("torch", _STORAGES[record.dtype])
        self.value(key)
        self.value("cpu")
        self.value(int(np.prod(shape, dtype=np.int64)))
        self.raw(pickle.TUPLE, pickle.BINPERSID)
        self.value(0)
        self.sides(shape)
        self.sides(strides)
        self.raw(pickle.NEWFALSE)
        self.empty_ordered()
        self.raw(pickle.TUPLE, pickle.REDUCE)
