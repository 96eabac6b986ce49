"""What the globals in a torch file stand for: descriptions, never the objects.

A tensor becomes `TensorData` (which storage, which elements), a storage `StorageData`
(which bytes). Reading those bytes is somebody else's decision, so the optimizer's
tensors cost nothing.
"""

from dataclasses import dataclass
from math import prod

import numpy as np

from hyperseg_tf.convert.refused import Refused, shorten

# Kind of a storage -> element type in the file; bfloat16 is the upper half of float32.
STORAGE_TYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "BFloat16Storage": "<u2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "|i1",
    "ByteStorage": "|u1",
    "BoolStorage": "|u1",
    "UntypedStorage": "|u1",
}
MAX_ELEMENTS = 1 << 48
MAX_DIMENSIONS = 16

_SCALARS = frozenset("b1 i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8".split())
_FUNCTIONS = {
    ("collections", "OrderedDict"): "ordered",
    ("collections", "Counter"): "counter",
    ("torch._utils", "_rebuild_tensor_v2"): "tensor",
    ("torch._utils", "_rebuild_parameter"): "parameter",
    ("torch", "Size"): "size",
    ("numpy", "dtype"): "dtype",
    ("numpy.core.multiarray", "scalar"): "scalar",
    ("numpy._core.multiarray", "scalar"): "scalar",
    # Protocol 2 writes bytes as text and this call.
    ("_codecs", "encode"): "encode",
}


class OrderedData(dict):
    """Contents of an OrderedDict."""


@dataclass(frozen=True)
class Function:
    """A global that may be called: a word, not something that runs."""

    word: str


@dataclass(frozen=True)
class StorageType:
    """A class of storages, by name."""

    kind: str


@dataclass
class DtypeData:
    """A numpy element type; `order` follows in a second step."""

    code: str
    order: str = "="


@dataclass(frozen=True)
class StorageData:
    """Where elements lie: the key in the file, their kind and number."""

    key: str
    kind: str
    elements: int

    @property
    def dtype(self) -> np.dtype:
        """Element type in the file."""
        return np.dtype(STORAGE_TYPES[self.kind])

    @property
    def size(self) -> int:
        """Bytes."""
        return self.elements * self.dtype.itemsize


@dataclass(frozen=True)
class TensorData:
    """A tensor that has not been read: elements of a storage."""

    storage: StorageData
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def dtype_name(self) -> str:
        """Element type as torch calls it."""
        if self.storage.kind == "BFloat16Storage":
            return "bfloat16"
        return self.storage.dtype.name

    @property
    def elements(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def span(self) -> int:
        """Elements of the storage from the first to the last one used."""
        if not self.elements:
            return 0
        pairs = zip(self.shape, self.strides, strict=True)
        return 1 + sum((side - 1) * stride for side, stride in pairs)


class TorchObjects:
    """Meaning of globals, calls and persistent ids for `pickle_data.load`.

    Attributes:
        storages: Every storage the pickle speaks of, by key.
    """

    def __init__(self):
        self.storages: dict[str, StorageData] = {}

    def find(self, module: str, name: str) -> Function | StorageType:
        """The description of a global; `Refused` if it is not on the list."""
        if (module, name) in _FUNCTIONS:
            return Function(_FUNCTIONS[module, name])
        if module in ("torch", "torch.storage") and name in STORAGE_TYPES:
            return StorageType(name)
        raise Refused(f"global {shorten(f'{module}.{name}')} is not allowed")

    def call(self, function: object, arguments: tuple) -> object:
        """What a call of a known function describes."""
        if not isinstance(function, Function):
            raise Refused(f"a {type(function).__name__} is called")
        return getattr(self, f"_{function.word}")(*_exactly(function, arguments))

    def build(self, thing: object, state: object) -> None:
        """Take the second half of a value: module versions, a byte order."""
        if type(thing) is OrderedData and type(state) is dict:
            if state.keys() <= {"_metadata"}:
                return
        if isinstance(thing, DtypeData) and type(state) is tuple:
            plain = (None, None, None, -1, -1, 0)
            if state[0:1] in ((3,), (4,)) and state[2:8] == plain and len(state) == 8:
                if state[1] in ("<", "|", "="):
                    thing.order = state[1]
                    return
        raise Refused("pickle opcode BUILD is not allowed but for module versions")

    def persistent(self, description: object) -> StorageData:
        """The storage that a persistent id names."""
        if not isinstance(description, tuple) or len(description) not in (5, 6):
            raise Refused("a persistent id does not describe a storage")
        word, kind, key, location, elements, *view = description
        if (
            word != "storage"
            or not isinstance(kind, StorageType)
            or view
            not in (
                [],
                [None],
            )
        ):
            raise Refused("a persistent id does not describe a storage")
        if type(key) is not str or type(location) is not str or len(key) > 64:
            raise Refused("a storage is named by something that is no short text")
        storage = StorageData(key, kind.kind, _count(elements, "a storage's size"))
        if self.storages.setdefault(key, storage) != storage:
            raise Refused(f"storage {shorten(key)} is described in two ways")
        return storage

    def _tensor(self, storage, offset, shape, strides, _grad, hooks, metadata=None):
        if not isinstance(storage, StorageData):
            raise Refused(f"a tensor is made of a {type(storage).__name__}")
        if type(shape) is not tuple or type(strides) is not tuple:
            raise Refused("a tensor's shape or stride is no tuple")
        if len(shape) != len(strides) or len(shape) > MAX_DIMENSIONS:
            raise Refused(f"a tensor has {len(shape)} sides, {len(strides)} strides")
        if hooks or metadata:
            raise Refused("a tensor carries hooks or flags")
        tensor = TensorData(
            storage,
            _count(offset, "a tensor's offset"),
            tuple(_count(side, "a tensor's side") for side in shape),
            tuple(_count(stride, "a tensor's stride") for stride in strides),
        )
        if tensor.elements > storage.elements:
            raise Refused(f"a tensor of shape {shape} is larger than its storage")
        if tensor.offset + tensor.span > storage.elements:
            raise Refused(f"a tensor of shape {shape} reaches beyond its storage")
        return tensor

    def _parameter(self, tensor, _grad, hooks):
        if not isinstance(tensor, TensorData) or hooks:
            raise Refused("a parameter is no plain tensor")
        return tensor

    def _ordered(self):
        return OrderedData()

    def _counter(self, counts):
        if type(counts) is not dict:
            raise Refused("a Counter is no dict")
        return counts

    def _size(self, shape):
        if type(shape) is not tuple:
            raise Refused("a Size is no tuple")
        return shape

    def _dtype(self, code, _align, _copy):
        if type(code) is not str or code not in _SCALARS:
            raise Refused(f"numpy type {shorten(code)} is not allowed")
        return DtypeData(code)

    def _scalar(self, dtype, data):
        if not isinstance(dtype, DtypeData) or type(data) is not bytes:
            raise Refused("a numpy number is not made of a type and bytes")
        element = np.dtype(dtype.code).newbyteorder(dtype.order)
        if len(data) != element.itemsize:
            raise Refused(f"a numpy number has {len(data)} bytes")
        return np.frombuffer(data, element)[0].item()

    def _encode(self, text, encoding):
        if type(text) is not str or len(text) > 64 or encoding != "latin1":
            raise Refused("_codecs.encode is given more than the bytes of a number")
        try:
            return text.encode("latin1")
        except UnicodeEncodeError as error:
            raise Refused("_codecs.encode is given no latin1") from error


# Arguments of each function: at least, at most.
_ARITY = {"tensor": (6, 7), "parameter": (3, 3), "ordered": (0, 0), "counter": (1, 1)}
_ARITY |= {"size": (1, 1), "dtype": (3, 3), "scalar": (2, 2), "encode": (2, 2)}


def _exactly(function, arguments):
    least, most = _ARITY[function.word]
    if not least <= len(arguments) <= most:
        raise Refused(f"{function.word} is called with {len(arguments)} arguments")
    return arguments


def _count(value, what):
    if type(value) is not int or not 0 <= value < MAX_ELEMENTS:
        raise Refused(f"{what} is {shorten(value)}, no size")
    return value
