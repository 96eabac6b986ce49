"""Build the custom ops for the TensorFlow at hand, once, and load them.

    python -m hyperseg_tf.ops.build [--gpu]

The sources in `kernels/` are compiled with g++ (or $CXX) against the headers of the
installed TensorFlow. The library is kept in a cache folder whose name holds the version
of TensorFlow and a digest of the sources, so it is never used with another TensorFlow
than its own. Every instruction set is a translation unit of its own; which
runs is decided when the library is loaded.

Where TensorFlow sees a GPU and there is an nvcc, the library also has the CUDA kernels,
compiled for that GPU alone. `--gpu` or HYPERSEG_TF_GPU=1 compiles them without a GPU,
for all architectures, as for an image that is built once and runs anywhere;
HYPERSEG_TF_GPU=0 leaves them out. A library in the cache that has more than is needed
is used as it is.
"""

import argparse
import contextlib
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

from hyperseg_tf.ops import nvcc
from hyperseg_tf.ops.nvcc import Nvcc, NvccUnavailable

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_log = logging.getLogger("hyperseg_tf")

SOURCES = Path(__file__).with_name("kernels")
CACHE = "HYPERSEG_TF_CACHE"
GPU = "HYPERSEG_TF_GPU"

_UNITS = (
    *("cpu.cc", "dispatch.cc", "shapes.cc"),
    *("tf_ops.cc", "tf_mobile.cc", "tf_stage.cc"),
)
_GPU_UNITS = ("cuda.cu.cc", "tf_gpu.cc")
_COMMON = ("-std=c++17", "-O3", "-fPIC", "-fno-math-errno", "-Wno-psabi")
_TILE = ("-DDPW_TILE_VECTORS=3",)
_NVCC = ("-x", "cu", "-std=c++17", "-O3", "-Xcompiler", "-fPIC")
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


class _NvccFailed(KernelsUnavailable):
    pass


@functools.cache
def load():
    """The module of the custom ops, built if it is not in the cache.

    Raises:
        KernelsUnavailable: There is no compiler, or it failed.
    """
    path, _ = _library()
    return _open(path)


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
            if not path.exists():
                build(path, cuda)
            _open(path)
            return path, ""
        except (KernelsUnavailable, NvccUnavailable) as error:
            reason = str(error)
    # With a GPU, whoever would have used them says it.
    if reason and os.environ.get(GPU) == "1" and not _gpus():
        _log.warning("the custom ops have no GPU kernels: %s", reason)
    path = library_path()
    if not path.exists() and not _gpus():
        path = next(iter(_gpu_libraries()), path)
    if not path.exists():
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


def _open(path):
    import tensorflow as tf

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
    """The library without GPU kernels for this TensorFlow and these sources."""
    return cache_folder() / f"{_stem(gpu=False)}.so"


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
        for path in _gpu_libraries():
            targets = tuple(map(int, path.stem.rpartition("-sm_")[2].split("_")))
            if all(nvcc.covers(targets, device) for device in devices):
                return path, None
        raise
    paths = [_gpu_path(*choice) for choice in choices]
    existing = [p for p in paths if p.exists()]
    return (existing or paths)[0], choices[0]


def _gpu_path(found: Nvcc, targets) -> Path:
    names = "_".join(map(str, targets))
    return cache_folder() / f"{_stem(gpu=True)}-cuda{found.version}-sm_{names}.so"


def _gpu_libraries() -> list[Path]:
    return sorted(cache_folder().glob(f"{_stem(gpu=True)}-cuda*-sm_*.so"))


def _stem(gpu: bool) -> str:
    import tensorflow as tf

    flags = (_COMMON, _PORTABLE, _X86, *((_NVCC,) if gpu else ()))
    digest = hashlib.sha256(str(flags).encode())
    for source in sources(gpu):
        digest.update(source.name.encode() + source.read_bytes())
    return f"ops-{tf.__version__}-{platform.machine()}-{digest.hexdigest()[:16]}"


def sources(gpu: bool) -> list[Path]:
    """The files that go into a library; the fuzzer shares their folder."""
    others = ("fuzz",) if gpu else ("fuzz", "cuda")
    headers = [h for h in SOURCES.glob("*.h") if not h.name.startswith(others)]
    units = (*_UNITS, *(_GPU_UNITS if gpu else ()))
    return sorted([*headers, *(SOURCES / unit for unit in units)])


def build(path: Path, cuda: tuple[Nvcc, tuple[int, ...]] | None = None) -> None:
    """Compile the ops and put the library at `path`, whole or not at all.

    Args:
        path: Where to.
        cuda: An nvcc, and the architectures to compile the GPU kernels for.

    Raises:
        KernelsUnavailable: There is no compiler, or it failed.
    """
    start = time.monotonic()
    failed = path.with_suffix(".failed")
    if failed.exists():
        raise KernelsUnavailable(
            f"{failed.read_text('utf-8')} (an earlier time; delete {failed} to try "
            "again)."
        )
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
        with _alone(path.with_suffix(".lock")):
            if path.exists():  # another process was first
                return
            library = _compile(Path(folder), cuda)
            os.replace(library, path)
    except _NvccFailed as error:
        # There is a library without GPU kernels: not again in every process.
        failed.write_text(str(error), "utf-8")
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    _log.info(
        "built the custom ops%s in %.0f s: %s (once for this TensorFlow)",
        " with GPU kernels" if cuda else "",
        time.monotonic() - start,
        path,
    )


@contextlib.contextmanager
def _alone(path: Path):
    """Keep other processes out: of several that need the ops, one compiles.

    The system lets go of the lock when a process ends, however it ends.
    """
    with path.open("a") as file:
        if fcntl:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _compile(folder: Path, cuda) -> Path:
    import tensorflow as tf

    compiler = compiler_path()
    x86 = platform.machine() in ("x86_64", "AMD64")
    ours = ("-Wno-deprecated-declarations", *_tensorflow())
    jobs = [
        ("tf_ops.cc", "tf_ops", ours),
        ("tf_mobile.cc", "tf_mobile", ours),
        ("tf_stage.cc", "tf_stage", ours),
        ("cpu.cc", "portable", _PORTABLE),
        ("shapes.cc", "shapes", ()),
        ("dispatch.cc", "dispatch", ("-DDPW_X86",) if x86 else ()),
    ]
    if x86:
        jobs += [
            ("cpu.cc", isa, (f"-DDPW_ISA={isa}", *flags)) for isa, flags in _X86.items()
        ]
    if cuda:
        jobs.append(("tf_gpu.cc", "tf_gpu", ours))
    # What several units define alike (templates of the standard library) is taken from
    # the first: the sets that every processor has must come before the others.
    objects = [str(folder / f"{name}.o") for _, name, _ in jobs]
    commands = [
        [compiler, *_COMMON, *flags, "-c", str(SOURCES / source), "-o", target]
        for (source, _, flags), target in zip(jobs, objects, strict=True)
    ]
    link = tf.sysconfig.get_link_flags()
    if cuda:
        objects.append(str(folder / "cuda.o"))
        # The longest comes first.
        commands.insert(0, nvcc_command(*cuda, compiler, objects[-1]))
        # TensorFlow has functions of the same names, of its own version of CUDA.
        hidden = f"-Wl,--exclude-libs,{nvcc.CUDART}"
        link = [cuda[0].cudart, hidden, "-ldl", "-lrt", "-lpthread", *link]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        list(pool.map(_run, commands))
    library = folder / "ops.so"
    _run([compiler, "-shared", "-o", str(library), *objects, *link])
    return library


def nvcc_command(found: Nvcc, targets, compiler: str, output) -> list[str]:
    """Compiles the CUDA kernels for these architectures."""
    return [
        *(found.path, *_NVCC, *nvcc.flags(targets), "-ccbin", compiler),
        *(("--threads", str(os.cpu_count() or 1)) if len(targets) > 1 else ()),
        *("-c", str(SOURCES / "cuda.cu.cc"), "-o", str(output)),
    ]


def _tensorflow():
    import tensorflow as tf

    return [f for f in tf.sysconfig.get_compile_flags() if not f.startswith("--std")]


def compiler_path() -> str:
    """The C++ compiler: $CXX, or g++.

    Raises:
        KernelsUnavailable: There is none.
    """
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
        name = Path(command[0]).name
        kind = _NvccFailed if name == "nvcc" else KernelsUnavailable
        raise kind(f"{name} failed: {(lines or ['no message'])[0]}")


def _first_line(error) -> str:
    return (str(error).strip().splitlines() or [repr(error)])[0]


def main() -> int:
    """Build if needed, load, and say where the library is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--gpu", action="store_true", help=f"with GPU kernels in any case ({GPU}=1)"
    )
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if args.gpu:
        os.environ[GPU] = "1"
    for failed in cache_folder().glob("*.failed"):
        failed.unlink()  # whoever builds by hand has changed something
    try:
        load()
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
