"""What an export for NVIDIA's GPUs finds on this machine, asked in other processes.

TensorFlow without `libnvinfer` does not raise: it logs FATAL and ends its process, and
what its converter says ("not built with TensorRT support") is wrong there. A driver
that does not fit may hang. So every question has a process and a time limit of its own.
"""

import json
import os
import subprocess
import sys

# Importing TensorFlow takes seconds, a minute on a busy machine or a board.
SECONDS = 180

# `tell` answers by lines, so that what was known before a crash is not lost.
_TELL = """
import json, sys
sys.path[:] = [folder for folder in sys.path if folder]
def tell(**facts):
    print(json.dumps(facts), flush=True)
"""

_TENSORFLOW = """
import tensorflow
tell(tensorflow=tensorflow.__version__)
from tensorflow.compiler.tf2tensorrt import _pywrap_py_utils as tf_trt
# (0, 0, 0) in a TensorFlow without TF-TRT.
tell(linked=list(tf_trt.get_linked_tensorrt_version()))
# Only now may anything ask for the loaded version.
tell(enabled=tf_trt.is_tensorrt_enabled())
tell(gpus=len(tensorflow.config.list_physical_devices("GPU")))
"""

_TENSORRT = """
import tensorrt
tell(tensorrt=tensorrt.__version__)
tensorrt.Builder(tensorrt.Logger(tensorrt.Logger.ERROR))
tell(builder=True)
"""

_GPU = """
import ctypes
cuda = ctypes.CDLL("libcuda.so.1")
error = cuda.cuInit(0)
count = ctypes.c_int()
error = error or cuda.cuDeviceGetCount(ctypes.byref(count))
if error:
    sys.exit("CUDA error %d" % error)
tell(gpus=count.value)
"""


def missing_for_tf_trt() -> list[str]:
    """Name what TF-TRT needs and this machine has not; an empty list if it can run."""
    facts, problem = ask(_TENSORFLOW)
    version = facts.get("tensorflow")
    if version is None:
        return [f"a TensorFlow that can be imported ({problem})"]
    linked = facts.get("linked")
    if not linked or not any(linked):
        return [
            f"a TensorFlow that has it, 2.17 or earlier: this is {version} (`make "
            "tf217` sets up 2.17.1 beside it, and --format tensorrt goes without)"
        ]
    missing = []
    if not facts.get("enabled"):
        trt = ".".join(map(str, linked))
        missing.append(
            f"TensorRT {trt}: TensorFlow {version} finds no libnvinfer.so.{trt} or no "
            f"libnvinfer_plugin.so.{trt}, both of NVIDIA's TensorRT {trt}, where "
            "LD_LIBRARY_PATH says"
        )
    missing += _missing_gpu()
    if not missing and problem:
        missing.append(f"a TensorFlow that starts TensorRT ({problem})")
    if not missing and not facts.get("gpus"):
        missing.append(f"a GPU that TensorFlow {version} sees: it lacks CUDA or cuDNN")
    return missing


def missing_for_tensorrt() -> list[str]:
    """Name what building a TensorRT engine needs and this machine has not.

    Returns:
        Sentences without a full stop; an empty list if an engine can be built.
    """
    facts, problem = ask(_TENSORRT)
    version = facts.get("tensorrt")
    gpu = _missing_gpu()
    if version is None:
        return [f"the Python package tensorrt, 10 or later ({problem})", *gpu]
    if int(version.split(".")[0]) < 10:
        return [f"TensorRT 10 or later: this is {version}", *gpu]
    if not facts.get("builder") and not gpu:
        return [f"a driver that TensorRT {version} can use ({problem})"]
    return gpu


def _missing_gpu() -> list[str]:
    facts, problem = ask(_GPU, seconds=30)
    if facts.get("gpus"):
        return []
    return [f"an NVIDIA GPU with its driver ({problem or 'the driver finds none'})"]


def ask(program: str, *arguments: str, seconds: float = SECONDS) -> tuple[dict, str]:
    """Run a program that answers by `tell` in a process of its own.

    Args:
        program: Python.
        arguments: Its `sys.argv[1:]`.
        seconds: Before it is ended.

    Returns:
        What it told, and what ended it before its end, "" if nothing did.
    """
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(folder for folder in sys.path if folder),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    command = [sys.executable, "-c", _TELL + program, *arguments]
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
        )
        output, errors, code = done.stdout, done.stderr, done.returncode
    except subprocess.TimeoutExpired as error:
        output = (error.stdout or b"").decode(errors="replace")
        errors, code = f"no answer within {seconds:g} seconds", None
    facts = {}
    for line in output.splitlines():
        # Libraries print, too.
        if line.startswith("{"):
            facts |= json.loads(line)
    if code == 0:
        return facts, ""
    lines = errors.strip().splitlines()
    if code is not None and code < 0:
        lines.append(f"ended by signal {-code}")
    return facts, lines[-1] if lines else f"exit status {code}"
