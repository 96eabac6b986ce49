"""Build the custom ops for the TensorFlow at hand, once, and load them.

    python -m hyperseg_tf.ops.build

The sources in `kernels/` are compiled with g++ (or $CXX) against the headers of the
installed TensorFlow. The library is kept in a cache folder whose name holds the version
of TensorFlow and a digest of the sources, so it is never used with another TensorFlow
than its own. Every instruction set is a translation unit of its own; which
runs is decided when the library is loaded.
"""

import functools
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_log = logging.getLogger("hyperseg_tf")

SOURCES = Path(__file__).with_name("kernels")
CACHE = "HYPERSEG_TF_CACHE"

_UNITS = ("cpu.cc", "dispatch.cc", "shapes.cc", "tf_ops.cc", "tf_stage.cc")
_COMMON = ("-std=c++17", "-O3", "-fPIC", "-fno-math-errno", "-Wno-psabi")
_TILE = ("-DDPW_TILE_VECTORS=3",)
# Instruction set -> flags of cpu.cc.
_PORTABLE = ("-DDPW_ISA=portable", "-DDPW_LANES=4", "-DDPW_TILE_ROWS=4", *_TILE)
_X86 = {
    "avx2": ("-mavx2", "-mfma", "-DDPW_LANES=8", "-DDPW_TILE_ROWS=4", *_TILE),
    # 256-bit vectors and the 32 registers of AVX-512: a wider vector wastes more lanes
    # on channel counts like 19 and 68 than it gains.
    "avx512": (
        *("-mavx512f", "-mavx512vl", "-mavx512bw", "-mavx512dq", "-mfma"),
        *("-mprefer-vector-width=256", "-DDPW_LANES=8", "-DDPW_TILE_ROWS=8", *_TILE),
    ),
}


class KernelsUnavailable(RuntimeError):
    """The custom ops cannot be built or loaded here; the message says why."""


@functools.cache
def load():
    """The module of the custom ops, built if it is not in the cache.

    Raises:
        KernelsUnavailable: There is no compiler, or it failed.
    """
    import tensorflow as tf

    path = library_path()
    if not path.exists():
        build(path)
    try:
        return tf.load_op_library(str(path))
    except (tf.errors.OpError, OSError) as error:
        raise KernelsUnavailable(
            f"{path} cannot be loaded ({_first_line(error)}); delete it."
        ) from error


def cache_folder() -> Path:
    """Where libraries are kept: $HYPERSEG_TF_CACHE, or the user's cache folder."""
    if os.environ.get(CACHE):
        return Path(os.environ[CACHE])
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "hyperseg_tf"


def library_path() -> Path:
    """The library for this TensorFlow and these sources."""
    import tensorflow as tf

    digest = hashlib.sha256(str((_COMMON, _PORTABLE, _X86)).encode())
    # The CUDA half and the fuzzer share the folder; they are no part of this library.
    headers = [
        h for h in SOURCES.glob("*.h") if not h.name.startswith(("cuda", "fuzz"))
    ]
    for source in sorted([*headers, *(SOURCES / unit for unit in _UNITS)]):
        digest.update(source.name.encode() + source.read_bytes())
    name = f"ops-{tf.__version__}-{platform.machine()}-{digest.hexdigest()[:16]}.so"
    return cache_folder() / name


def build(path: Path) -> None:
    """Compile the ops and put the library at `path`, whole or not at all.

    Raises:
        KernelsUnavailable: There is no compiler, or it failed.
    """
    start = time.monotonic()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Beside its final place, so that the rename is atomic.
        folder = tempfile.mkdtemp(prefix=".build-", dir=path.parent)
    except OSError as error:
        raise KernelsUnavailable(
            f"{path.parent} cannot be written ({error.strerror}); set {CACHE} to a "
            "folder that can."
        ) from error
    try:
        library = _compile(Path(folder))
        os.replace(library, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    _log.info(
        "built the custom ops in %.0f s: %s (once for this TensorFlow)",
        time.monotonic() - start,
        path,
    )


def _compile(folder: Path) -> Path:
    import tensorflow as tf

    compiler = _compiler()
    x86 = platform.machine() in ("x86_64", "AMD64")
    ours = ("-Wno-deprecated-declarations", *_tensorflow())
    jobs = [
        ("tf_ops.cc", "tf_ops", ours),
        ("tf_stage.cc", "tf_stage", ours),
        ("cpu.cc", "portable", _PORTABLE),
        ("shapes.cc", "shapes", ()),
        ("dispatch.cc", "dispatch", ("-DDPW_X86",) if x86 else ()),
    ]
    if x86:
        jobs += [
            ("cpu.cc", isa, (f"-DDPW_ISA={isa}", *flags)) for isa, flags in _X86.items()
        ]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        commands = [
            [compiler, *_COMMON, *flags, "-c", str(SOURCES / source)]
            + ["-o", str(folder / f"{name}.o")]
            for source, name, flags in jobs
        ]
        list(pool.map(_run, commands))
    # What several units define alike (templates of the standard library) is taken from
    # the first: the sets that every processor has must come before the others.
    objects = [str(folder / f"{name}.o") for _, name, _ in jobs]
    library = folder / "ops.so"
    link = tf.sysconfig.get_link_flags()
    _run([compiler, "-shared", "-o", str(library), *objects, *link])
    return library


def _tensorflow():
    import tensorflow as tf

    return [f for f in tf.sysconfig.get_compile_flags() if not f.startswith("--std")]


def _compiler() -> str:
    name = os.environ.get("CXX") or "g++"
    found = shutil.which(name)
    if not found:
        raise KernelsUnavailable(
            f"there is no compiler {name}; install g++, or set CXX to one."
        )
    return found


def _run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "error" in line]
        raise KernelsUnavailable(
            f"{Path(command[0]).name} failed: {(lines or ['no message'])[0]}"
        )


def _first_line(error) -> str:
    return (str(error).strip().splitlines() or [repr(error)])[0]


def main() -> int:
    """Build if needed, load, and say where the library is."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        load()
    except KernelsUnavailable as error:
        print(f"hyperseg_tf: the custom ops cannot be used: {error}", file=sys.stderr)
        return 2
    print(library_path())
    return 0


if __name__ == "__main__":
    sys.exit(main())
