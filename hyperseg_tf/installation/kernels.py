"""The devices, the compilers, and the custom ops that were or can be built."""

import os
import subprocess
from pathlib import Path

import keras

from hyperseg_tf.installation.finding import Finding
from hyperseg_tf.ops import build, cache, compiler, loading, nvcc
from hyperseg_tf.ops.compiler import KernelsUnavailable
from hyperseg_tf.ops.nvcc import NvccUnavailable

_TOPIC = "custom ops"
_SLOWER = "until then inference runs through XLA, and training is slower"


def devices() -> list[Finding]:
    """What TensorFlow computes on."""
    import tensorflow as tf

    gpus = tf.config.get_visible_devices("GPU")
    details = map(tf.config.experimental.get_device_details, gpus)
    names = [found.get("device_name", "a GPU") for found in details]
    says = ", ".join(names) or "CPU; TensorFlow sees no GPU"
    driver = nvcc.driver()
    if driver and not gpus:
        return [
            Finding(
                "devices",
                f"{says}, though there is a driver of CUDA {driver[0]}.{driver[1]}",
                "for the GPU: pip install 'tensorflow[and-cuda]' of the version that "
                "is here, and see that CUDA_VISIBLE_DEVICES does not hide it",
            )
        ]
    return [Finding("devices", says)]


def kernels() -> list[Finding]:
    """The compilers, and whether the custom ops are there, or will be."""
    findings = [_compiler(), *_gpu_compiler()]
    if keras.backend.backend() != "tensorflow":
        backend = keras.backend.backend()
        return [
            *findings,
            Finding(_TOPIC, f"none: they are TensorFlow's, not {backend}'s"),
        ]
    return [*findings, _ops(can_build=not findings[0].advice)]


def _compiler():
    try:
        path = compiler.path()
    except KernelsUnavailable as error:
        return _unavailable("compiler", error)
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True)
    except OSError as error:
        says = f"{path} does not start ({error.strerror})"
        return _unavailable("compiler", f"{says}; install g++, or set CXX to one.")
    return Finding("compiler", f"{path}: {(done.stdout.splitlines() or ['?'])[0]}")


def _unavailable(topic, error):
    """Of a sentence "what is so; the way out."."""
    says, _, advice = str(error).rstrip(".").partition("; ")
    return Finding(topic, says, f"{advice or compiler.AGAIN}; {_SLOWER}")


def _gpu_compiler():
    import tensorflow as tf

    if not tf.config.get_visible_devices("GPU"):
        return []
    try:
        found = nvcc.find()
    except NvccUnavailable as error:
        return [
            Finding("GPU compiler", str(error), "without it the ops run on the CPU")
        ]
    return [Finding("GPU compiler", f"{found.path}: {found.version}")]


def _ops(can_build):
    try:
        folder = cache.folder()
        library = build.found()
        if library:
            loading.load(library)
            return Finding(_TOPIC, f"built: {library}")
    except (KernelsUnavailable, OSError) as error:
        return _unavailable(_TOPIC, error)
    if not _writable(folder):
        return Finding(
            _TOPIC,
            f"not built, and {folder} cannot be written to",
            f"set {build.CACHE} to a folder of your own; {_SLOWER}",
        )
    if not can_build:
        return Finding(_TOPIC, f"not built, and there is no compiler; cache: {folder}")
    return Finding(
        _TOPIC,
        f"not built yet, which takes a minute, into {folder}",
        "`python -m hyperseg_tf.ops.build` builds them now, the first use otherwise",
    )


def _writable(folder: Path) -> bool:
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    effective = os.access in os.supports_effective_ids
    return there.is_dir() and os.access(
        there, os.W_OK | os.X_OK, effective_ids=effective
    )
