"""Where compiled libraries of the ops are kept, under which names, and who makes them.

The name of a library holds the version of TensorFlow and a digest of the sources and
flags, so it is never used with another TensorFlow than its own. Of several processes
that need it, one compiles while the others wait. A library is there if it is whole
(`seal.py`) and nobody else can have written it (`trust.py`).
"""

import contextlib
import functools
import hashlib
import logging
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from hyperseg_tf.base import user_cache
from hyperseg_tf.base.atomic import atomic_file
from hyperseg_tf.ops import compiler, seal, trust
from hyperseg_tf.ops.compiler import AGAIN, CompileError, KernelsUnavailable
from hyperseg_tf.ops.nvcc import Nvcc
from hyperseg_tf.ops.trust import CACHE

_log = logging.getLogger("hyperseg_tf")

_LONGEST_MESSAGE = 1000


def folder() -> Path:
    """Where libraries are kept: $HYPERSEG_TF_CACHE, or the user's cache folder.

    Raises:
        KernelsUnavailable: Nothing says where the user's folder is.
    """
    try:
        return user_cache.folder()
    except RuntimeError as error:
        raise KernelsUnavailable(
            "a user without a home folder has no cache for the custom ops; set "
            f"{CACHE} to a folder of your own."
        ) from error


def library() -> Path:
    """The library without GPU kernels for this TensorFlow and these sources."""
    return folder() / f"{_stem(gpu=False)}.so"


def gpu_library(found: Nvcc, targets: tuple[int, ...]) -> Path:
    """The one with GPU kernels for these architectures."""
    names = "_".join(map(str, targets))
    return folder() / f"{_stem(gpu=True)}-cuda{found.version}-sm_{names}.so"


def gpu_libraries() -> dict[Path, tuple[int, ...]]:
    """Those with GPU kernels that are there, and the architectures of each.

    Raises:
        KernelsUnavailable: Others can write one of them.
    """
    paths = sorted(folder().glob(f"{_stem(gpu=True)}-cuda*-sm_*.so"))
    found = {path: re.search(r"-sm_(\d+(?:_\d+)*)$", path.stem) for path in paths}
    return {
        path: tuple(map(int, targets[1].split("_")))
        for path, targets in found.items()
        if targets and is_there(path)
    }


def is_there(path: Path) -> bool:
    """Whether a library is in its place, whole; one that is damaged is none.

    Raises:
        KernelsUnavailable: Others can write it, or it cannot be read.
    """
    try:
        seal.contents(path)
    except FileNotFoundError:
        return False
    except seal.Damaged as error:
        _say_damaged(path, str(error))
        return False
    return True


@functools.cache
def _say_damaged(path, reason):
    _log.warning("%s is not used, since %s", path, reason)


def _stem(gpu: bool) -> str:
    import tensorflow as tf

    flags = (compiler.COMMON, compiler.PORTABLE, compiler.X86)
    flags += (compiler.NVCC,) if gpu else ()
    content = digest(compiler.sources(gpu), flags)
    return f"ops-{tf.__version__}-{platform.machine()}-{content}"


def digest(sources: list[Path], flags) -> str:
    """Of the contents and names of files in `kernels/`, and of flags."""
    content = hashlib.sha256(str(flags).encode())
    for source in sources:
        name = source.relative_to(compiler.SOURCES).as_posix()
        content.update(name.encode() + source.read_bytes())
    return content.hexdigest()[:16]


def make(path: Path, compile_into: Callable[[Path], Path], remember: bool) -> bool:
    """Put a library at `path`, whole or not at all, unless it is there.

    Args:
        path: Where to.
        compile_into: Makes the file in an empty folder, and returns its path there.
        remember: That the sources are refused, so as not to try in every process.

    Returns:
        Whether it was made, and not by another process.

    Raises:
        KernelsUnavailable: It cannot be made; a CompileError may be an earlier one.
    """
    _refuse_again(path)
    with _alone(path):
        if is_there(path):  # another process was first
            return False
        _refuse_again(path)
        try:
            with _workshop(path) as workshop:
                seal.put(compile_into(workshop), path)
        except CompileError as error:
            if remember:
                _remember(path, str(error))
            raise
        except OSError as error:
            raise _unwritable(path.parent, error) from error
    return True


@contextlib.contextmanager
def _workshop(path):
    """An empty folder beside the file, so that the rename is atomic; under the lock."""
    # Those of processes that were killed; a name of its own, as their compilers may
    # still be at work.
    for left in path.parent.glob(f".{path.stem}.*.build"):
        shutil.rmtree(left, ignore_errors=True)
    made = tempfile.mkdtemp(prefix=f".{path.stem}.", suffix=".build", dir=path.parent)
    try:
        yield Path(made)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def forget_failures() -> None:
    """Whoever builds by hand has changed something."""
    for failed in folder().glob("*.failed"):
        with contextlib.suppress(OSError):
            failed.unlink(missing_ok=True)


def let_others_read() -> None:
    """What root builds by hand is for an image, and for whoever runs it."""
    if os.geteuid() == 0:
        folder().chmod(0o755)


def _failed(path) -> Path:
    return path.with_suffix(".failed")


def _remember(path, message):
    # Where it cannot be written, the next process finds out by itself.
    with contextlib.suppress(OSError), atomic_file(_failed(path)) as file:
        file.write_text(message, "utf-8")


def _refuse_again(path):
    failed = _failed(path)
    try:
        found = trust.read(failed, _LONGEST_MESSAGE)
    except FileNotFoundError:
        return
    message = " ".join(found.decode("utf-8", "replace").split())
    message = "".join(filter(str.isprintable, message))
    raise CompileError(f"{message} (an earlier time; {AGAIN}, or delete {failed}).")


def _alone(path):
    """A lock that the system lets go of when a process ends, however it ends."""
    try:
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
        with trust.opened(path.parent):
            pass
        # A lock that is a mere file would outlive a process that is killed. Of a mode
        # that lets nobody else hold it for ever.
        place = path.with_suffix(".lock")
        return FileLock(place, mode=0o600, fallback_to_soft=False).acquire()
    except (OSError, NotImplementedError) as error:
        raise _unwritable(path.parent, error) from error


def _unwritable(place, error) -> KernelsUnavailable:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return KernelsUnavailable(
        f"{place} cannot be written to, or files cannot be locked there ({reason}); "
        f"set {CACHE} to a folder where they can."
    )
