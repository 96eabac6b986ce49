"""Run a SavedModel by TensorFlow's C interface alone, as servers in C++ load it.

    python -I tests/export/c_session.py LIBRARIES SAVED_MODEL CALLS.json OUT

LIBRARIES is the folder of TensorFlow's shared libraries. A call names inputs and
outputs by nodes ("serve_png_encoded:0") and files of NumPy's with the inputs; what
comes out is written to OUT/CALL_OUTPUT.npy, strings as objects. No Python of TensorFlow
is imported.
"""

import ctypes
import json
import sys
from pathlib import Path

import numpy as np

_TYPES = {1: "float32", 3: "int32", 4: "uint8"}
_STRING = 7
_TSTRING_BYTES = 24


def main(libraries: str, folder: str, calls: str, out: str) -> None:
    """Answer every call."""
    for name in ("tensorflow", "keras", "hyperseg_tf"):
        sys.modules[name] = None
    session = Session(Path(libraries), folder)
    for call in json.loads(Path(calls).read_text()):
        inputs = {
            node: np.load(file, allow_pickle=True)
            for node, file in call["inputs"].items()
        }
        for name, value in session.run(inputs, call["outputs"]).items():
            np.save(Path(out, f"{call['name']}_{name}.npy"), value)


class _Output(ctypes.Structure):
    _fields_ = [("operation", ctypes.c_void_p), ("index", ctypes.c_int)]


class Session:
    """A SavedModel with the tag of servers.

    Args:
        libraries: Folder of libtensorflow_framework and libtensorflow_cc.
        folder: The SavedModel.
    """

    def __init__(self, libraries: Path, folder: str):
        framework = libraries / "libtensorflow_framework.so.2"
        ctypes.CDLL(str(framework), ctypes.RTLD_GLOBAL)
        self._c = ctypes.CDLL(str(libraries / "libtensorflow_cc.so.2"))
        for name in _POINTERS:
            getattr(self._c, name).restype = ctypes.c_void_p
        self._c.TF_Message.restype = ctypes.c_char_p
        for name in ("TF_Dim", "TF_StringGetSize", "TF_TensorByteSize"):
            getattr(self._c, name).restype = ctypes.c_int64
        self._status = ctypes.c_void_p(self._c.TF_NewStatus())
        self._graph = ctypes.c_void_p(self._c.TF_NewGraph())
        tags = (ctypes.c_char_p * 1)(b"serve")
        self._session = ctypes.c_void_p(
            self._c.TF_LoadSessionFromSavedModel(
                ctypes.c_void_p(self._c.TF_NewSessionOptions()),
                None,
                folder.encode(),
                tags,
                1,
                self._graph,
                None,
                self._status,
            )
        )
        self._check()

    def run(self, inputs: dict, outputs: dict) -> dict:
        """Outputs by name; `inputs` are arrays by node, `outputs` nodes by name."""
        given = (_Output * len(inputs))(*map(self._node, inputs))
        values = (ctypes.c_void_p * len(inputs))(*map(self._tensor, inputs.values()))
        wanted = (_Output * len(outputs))(*map(self._node, outputs.values()))
        found = (ctypes.c_void_p * len(outputs))()
        self._c.TF_SessionRun(
            *(self._session, None, given, values, len(inputs)),
            *(wanted, found, len(outputs), None, 0, None, self._status),
        )
        self._check()
        return {
            name: self._array(ctypes.c_void_p(tensor))
            for name, tensor in zip(outputs, found, strict=True)
        }

    def _check(self):
        if self._c.TF_GetCode(self._status):
            sys.exit(self._c.TF_Message(self._status).decode(errors="replace"))

    def _node(self, name):
        name, _, index = name.partition(":")
        operation = self._c.TF_GraphOperationByName(self._graph, name.encode())
        if not operation:
            sys.exit(f"no node {name}")
        return _Output(operation, int(index))

    def _tensor(self, value):
        shape = (ctypes.c_int64 * value.ndim)(*value.shape)
        if value.dtype != object:
            kind = next(k for k, name in _TYPES.items() if name == value.dtype)
            size = value.nbytes
            data = np.ascontiguousarray(value).tobytes()
            tensor = self._c.TF_AllocateTensor(
                kind, shape, value.ndim, ctypes.c_size_t(size)
            )
            place = self._c.TF_TensorData(ctypes.c_void_p(tensor))
            ctypes.memmove(ctypes.c_void_p(place), data, size)
            return tensor
        tensor = self._c.TF_AllocateTensor(
            _STRING, shape, value.ndim, ctypes.c_size_t(_TSTRING_BYTES * value.size)
        )
        place = self._c.TF_TensorData(ctypes.c_void_p(tensor))
        for i, text in enumerate(value.ravel()):
            at = ctypes.c_void_p(place + _TSTRING_BYTES * i)
            self._c.TF_StringInit(at)
            self._c.TF_StringCopy(at, text, ctypes.c_size_t(len(text)))
        return tensor

    def _array(self, tensor):
        rank = self._c.TF_NumDims(tensor)
        shape = [self._c.TF_Dim(tensor, axis) for axis in range(rank)]
        place = self._c.TF_TensorData(tensor)
        kind = self._c.TF_TensorType(tensor)
        if kind != _STRING:
            size = self._c.TF_TensorByteSize(tensor)
            data = ctypes.string_at(place, size) if size else b""
            return np.frombuffer(data, _TYPES[kind]).reshape(shape).copy()
        found = np.empty(shape, object)
        for i in range(found.size):
            at = ctypes.c_void_p(place + _TSTRING_BYTES * i)
            data = self._c.TF_StringGetDataPointer(at)
            found.flat[i] = ctypes.string_at(data, self._c.TF_StringGetSize(at))
        return found


_POINTERS = (
    *("TF_NewStatus", "TF_NewGraph", "TF_NewSessionOptions", "TF_AllocateTensor"),
    *("TF_LoadSessionFromSavedModel", "TF_GraphOperationByName", "TF_TensorData"),
    "TF_StringGetDataPointer",
)


if __name__ == "__main__":
    main(*sys.argv[1:])
