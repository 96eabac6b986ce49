"""The functions of harness.cu, called with NumPy arrays."""

import ctypes

import numpy as np

from benchmarks.gpu.storage import TYPES, storage

# In the order of harness.cu.
BLOCK_SIZES = (
    *("batch", "height", "width", "feature", "previous", "rows", "columns"),
    *("signal", "offset", "groups", "depth", "units", "start", "hidden", "filters"),
    *("kernel", "positions", "neighbour", "padding"),
)
CONV_SIZES = (
    *("batch", "height", "width", "channels", "rows", "columns"),
    *("filters", "kernel", "groups", "padding"),
)


class Harness:
    """The functions of harness.cu, with NumPy arrays for pointers."""

    def __init__(self, path):
        self._library = ctypes.CDLL(str(path))

    def device(self) -> str:
        """Name and size of the device."""
        name = ctypes.create_string_buffer(200)
        self._call("harness_device", name, len(name))
        return name.value.decode()

    def block(self, kind, shape, inputs):
        """(B, H, W, filters) as stored."""
        size = (shape["batch"], shape["height"], shape["width"], shape["filters"])
        output = np.empty(size, storage(kind))
        self._call(
            "harness_block",
            TYPES.index(kind),
            sizes(shape, BLOCK_SIZES),
            pointers(inputs),
            pointer(output),
        )
        return output

    def conv(self, kind, shape, inputs):
        """Output and both gradients as stored."""
        x, weights, upstream = inputs
        outputs = [np.empty_like(upstream), np.empty_like(x), np.empty_like(weights)]
        self._call(
            "harness_conv",
            TYPES.index(kind),
            sizes(shape, CONV_SIZES),
            pointers(inputs),
            pointers(outputs),
        )
        return outputs

    def plan(self, shape) -> list[int]:
        """The tiling: see harness.cu."""
        tiling = (ctypes.c_int * 9)()
        self._call("harness_plan", sizes(shape, BLOCK_SIZES), tiling)
        return list(tiling)

    def time_block(self, kind, shape, inputs, rounds=30, calls=20) -> float:
        """Microseconds."""
        return self._time(
            "harness_time_block",
            TYPES.index(kind),
            sizes(shape, BLOCK_SIZES),
            pointers(inputs),
            rounds,
            calls,
        )

    def time_plan(self, kind, shape, inputs, tiling, rounds=5, calls=10) -> float:
        """Microseconds of the second kernel with this tiling."""
        return self._time(
            "harness_time_plan",
            TYPES.index(kind),
            sizes(shape, BLOCK_SIZES),
            pointers(inputs),
            (ctypes.c_int * 6)(*tiling),
            rounds,
            calls,
        )

    def time_copy(self, count: int, rounds=20, calls=10) -> float:
        """Microseconds of a copy that reads and writes `count` bytes."""
        return self._time("harness_time_copy", ctypes.c_int64(count), rounds, calls)

    def _time(self, name, *arguments) -> float:
        microseconds = ctypes.c_double(0.0)
        self._call(name, *arguments, ctypes.byref(microseconds))
        return microseconds.value

    def _call(self, name, *arguments):
        function = getattr(self._library, name)
        function.restype = ctypes.c_char_p
        wrong = function(*arguments)
        if wrong:
            raise RuntimeError(f"{name}: {wrong.decode()}")


def sizes(shape, names):
    """A C array of these sizes."""
    return (ctypes.c_int64 * len(names))(*(int(shape[name]) for name in names))


def pointer(array):
    """The address of an array, null for an empty one."""
    return ctypes.c_void_p(array.ctypes.data if array.size else None)


def pointers(arrays):
    """A C array of the addresses."""
    return (ctypes.c_void_p * len(arrays))(*(pointer(a).value for a in arrays))
