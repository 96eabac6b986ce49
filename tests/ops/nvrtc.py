"""CUDA's runtime compiler, from the wheel of CUDA 12: the one that knows sm_70."""

import ctypes
import importlib.util
from pathlib import Path

from hyperseg_tf.ops.compiler import SOURCES

# It has no headers of the system.
_HEADERS = {
    "cstdint": """#pragma once
typedef short int16_t; typedef unsigned short uint16_t;
typedef int int32_t; typedef unsigned int uint32_t;
typedef long int64_t; typedef unsigned long uint64_t;
""",
    "cstring": "#pragma once\nnamespace std { using ::memcpy; }\n",
    "string": "#pragma once\nnamespace std { class string; }\n",
}
# Those that define kernels; what launches them is for the host.
_KERNELS = ("block.h", "conv.h", "conv_gradient.h", "generate.h")


def folder() -> Path | None:
    """Of the wheels, None where they are not installed."""
    spec = importlib.util.find_spec("nvidia")
    for place in spec.submodule_search_locations if spec else ():
        parts = ("cuda_nvrtc/lib/libnvrtc.so.12", "cuda_runtime/include/cuda_fp16.h")
        if all((Path(place) / part).exists() for part in parts):
            return Path(place)
    return None


def compile_kernels(instances: list[str], architecture: str) -> bytes:
    """Machine code of instances of the kernels; AssertionError with its messages."""
    library = ctypes.CDLL(str(folder() / "cuda_nvrtc/lib/libnvrtc.so.12"))
    source = "".join(f'#include "cuda/{header}"\n' for header in _KERNELS)
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    contents, names = _strings(_HEADERS.values()), _strings(_HEADERS)
    status = library.nvrtcCreateProgram(
        *(ctypes.byref(program), source.encode(), b"kernels.cu"),
        *(len(_HEADERS), contents, names),
    )
    assert status == 0, status
    for instance in instances:
        assert library.nvrtcAddNameExpression(program, instance.encode()) == 0
    include = folder() / "cuda_runtime/include"
    # All functions are the device's: it knows no others.
    options = [f"-arch={architecture}", "-std=c++17", "-default-device"]
    options += [f"-I{SOURCES}", f"-I{include}"]
    status = library.nvrtcCompileProgram(program, len(options), _strings(options))
    library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    library.nvrtcGetProgramLog(program, log)
    assert status == 0 and not log.value, log.value.decode()
    library.nvrtcGetCUBINSize(program, ctypes.byref(size))
    code = ctypes.create_string_buffer(size.value)
    library.nvrtcGetCUBIN(program, code)
    library.nvrtcDestroyProgram(ctypes.byref(program))
    return code.raw


def _strings(values):
    return (ctypes.c_char_p * len(values))(*(value.encode() for value in values))
