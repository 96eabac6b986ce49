"""Build the custom ops for the TensorFlow at hand, once, and load them.

    python -m hyperseg_tf.ops.build [--gpu]

The sources in `kernels/` are compiled with g++ (or $CXX) against the headers of the
installed TensorFlow (`compiler.py`), and the library is kept for the next process
(`cache.py`).

Where TensorFlow sees a GPU and there is an nvcc, the library also has the CUDA kernels,
compiled for that GPU alone. `--gpu` or HYPERSEG_TF_GPU=1 compiles them without a GPU,
for all architectures, as for an image that is built once and runs anywhere;
HYPERSEG_TF_GPU=0 leaves them out. A library in the cache that has more than is needed
is used as it is.
"""

import argparse
import functools
import logging
import os
import sys
import time
from pathlib import Path

from hyperseg_tf.ops import cache, compiler, loading, nvcc
from hyperseg_tf.ops.compiler import KernelsUnavailable
from hyperseg_tf.ops.nvcc import Nvcc, NvccUnavailable
from hyperseg_tf.ops.trust import CACHE

_log = logging.getLogger("hyperseg_tf")

GPU = "HYPERSEG_TF_GPU"


@functools.cache
def load():
    """The module of the custom ops, built if it is not in the cache.

    Raises:
        KernelsUnavailable: There is no compiler, it failed, or the cache is none to
            trust; the message says the way out.
    """
    try:
        path, _ = _library()
        return loading.load(path)
    except OSError as error:
        raise KernelsUnavailable(
            f"a file of theirs cannot be used ({error})."
        ) from error


def found() -> Path | None:
    """The library that `load` takes as it is; None if it would build one.

    Raises:
        KernelsUnavailable: The cache is none to trust.
    """
    if not _unwanted():
        try:
            path, _ = _gpu_library()
            if cache.is_there(path):
                return path
        except NvccUnavailable:
            pass
    path = _without_gpu()
    return path if cache.is_there(path) else None


def _without_gpu() -> Path:
    """Where a library is that will do where no GPU kernels are to be had."""
    path = cache.library()
    if not cache.is_there(path) and not _gpus():
        path = next(iter(cache.gpu_libraries()), path)
    return path


def no_gpu_kernels() -> str:
    """Why the ops have no GPU kernels here, "" if they have.

    Raises:
        KernelsUnavailable: There are no ops at all.
    """
    return _library()[1]


@functools.cache
def _library():
    """The path of a library that can be loaded, and why it has no GPU kernels."""
    reason = _unwanted()
    if not reason:
        try:
            path, cuda = _gpu_library()
            if not cache.is_there(path):
                build(path, cuda)
            loading.load(path)
            return path, ""
        except (KernelsUnavailable, NvccUnavailable) as error:
            reason = str(error)
    # With a GPU, whoever would have used them says it.
    if reason and os.environ.get(GPU) == "1" and not _gpus():
        _log.warning("the custom ops have no GPU kernels: %s", reason)
    path = _without_gpu()
    if not cache.is_there(path):
        build(path)
    return path, reason


def _unwanted() -> str:
    """Why no GPU kernels are wanted here, "" if they are."""
    import tensorflow as tf

    wanted = os.environ.get(GPU, "")
    if wanted not in ("", "0", "1"):
        raise ValueError(f"{GPU} must be 0 or 1: got {wanted!r}.")
    if wanted == "0":
        return f"{GPU}=0 leaves them out."
    if not tf.test.is_built_with_cuda():
        return "this TensorFlow is built without CUDA."
    return "" if wanted or _gpus() else "there was no GPU when the ops were loaded."


def _gpus():
    import tensorflow as tf

    return tf.config.get_visible_devices("GPU")


def _capabilities() -> tuple[int, ...]:
    """Of the GPUs here: 90 is sm_90."""
    import tensorflow as tf

    details = map(tf.config.experimental.get_device_details, _gpus())
    found = (d.get("compute_capability") for d in details)
    return tuple(sorted({10 * c[0] + c[1] for c in found if c}))


def _gpu_library():
    """With GPU kernels for the GPUs here, for all where there are none: the path, and
    what to build it with.

    One that is in the cache and covers them comes first. Without an nvcc it may be from
    any, as in an image whose compilers were removed.

    Raises:
        NvccUnavailable: It is not there, and there is no nvcc to build it with.
    """
    devices = _capabilities()
    try:
        found = nvcc.find()
        choices = [(found, found.targets(d)) for d in (devices, ())]
    except NvccUnavailable:
        for path, targets in cache.gpu_libraries().items():
            if all(nvcc.covers(targets, device) for device in devices):
                return path, None
        raise
    paths = [cache.gpu_library(*choice) for choice in choices]
    existing = [p for p in paths if cache.is_there(p)]
    return (existing or paths)[0], choices[0]


def build(path: Path, cuda: tuple[Nvcc, tuple[int, ...]] | None = None) -> None:
    """Compile the ops and put the library at `path`, whole or not at all.

    Args:
        path: Where to.
        cuda: An nvcc, and the architectures to compile the GPU kernels for.

    Raises:
        KernelsUnavailable: There is no compiler, or it failed.
    """
    start = time.monotonic()
    # Where the GPU kernels are refused, there is a library without: not again in every
    # process. Where that one is refused, there is nothing, and somebody mends it.
    if not cache.make(path, lambda to: compiler.compile_ops(to, cuda), bool(cuda)):
        return
    _log.info(
        "built the custom ops%s in %.0f s: %s (once for this TensorFlow)",
        " with GPU kernels" if cuda else "",
        time.monotonic() - start,
        path,
    )


def main() -> int:
    """Build if needed, load, and say where the library is."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog=f"The library goes to ${CACHE}, or to the user's cache folder.",
    )
    parser.add_argument(
        "--gpu", action="store_true", help=f"with GPU kernels in any case ({GPU}=1)"
    )
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if args.gpu:
        os.environ[GPU] = "1"
    try:
        cache.forget_failures()
        load()
        cache.let_others_read()
    except KernelsUnavailable as error:
        print(f"hyperseg_tf: the custom ops cannot be used: {error}", file=sys.stderr)
        return 2
    path, reason = _library()
    print(path)
    if reason and _gpus():
        print(f"hyperseg_tf: there are no GPU kernels: {reason}", file=sys.stderr)
    return 2 if reason and args.gpu else 0


if __name__ == "__main__":
    sys.exit(main())
