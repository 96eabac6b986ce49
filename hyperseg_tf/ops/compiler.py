"""The commands that compile the ops, and what a compiler that failed means.

The units of `kernels/` are compiled side by side, all with the folder as the one place
to include from. Every instruction set is a unit of its own; which one runs is decided
when the library is loaded.
"""

import os
import platform
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hyperseg_tf.ops import nvcc
from hyperseg_tf.ops.nvcc import Nvcc

SOURCES = Path(__file__).with_name("kernels")
AGAIN = "`python -m hyperseg_tf.ops.build` tries again"

COMMON = ("-std=c++17", "-O3", "-fPIC", "-fno-math-errno", "-Wno-psabi")
NVCC = ("-x", "cu", "-std=c++17", "-O3", "-Xcompiler", "-fPIC")
_TILE = ("-DDPW_TILE_VECTORS=3",)
# Instruction set -> flags of cpu.cc.
PORTABLE = ("-DDPW_ISA=portable", "-DDPW_LANES=4", "-DDPW_TILE_ROWS=4", *_TILE)
X86 = {
    "avx2": (
        *("-DDPW_ISA=avx2", "-mavx2", "-mfma"),
        *("-DDPW_LANES=8", "-DDPW_TILE_ROWS=4", *_TILE),
    ),
    # 256-bit vectors and the 32 registers of AVX-512: a wider vector wastes more lanes
    # on channel counts like 19 and 68 than it gains.
    "avx512": (
        *("-DDPW_ISA=avx512", "-mavx512f", "-mavx512vl", "-mavx512bw", "-mavx512dq"),
        *("-mfma", "-mprefer-vector-width=256"),
        *("-DDPW_LANES=8", "-DDPW_TILE_ROWS=8", *_TILE),
    ),
}
# They know TensorFlow; with GPU kernels, `_GPU_OPS` as well.
_OPS = "tensorflow/all.cc"
_GPU_OPS = "tensorflow/gpu.cc"
_CUDA = "cuda/kernels.cu.cc"

# Far longer than any unit takes: whoever waits for a compiler that hangs, waits for it.
_LONGEST_SECONDS = 3600
_ERROR = re.compile(r"\b(error|fatal)\b", re.IGNORECASE)
# What a compiler says that would have succeeded on an idle machine.
_PASSING = re.compile(
    r"signal terminated program|(died due to|terminated with|killed by) signal|"
    r"internal compiler error|segmentation fault|out of memory|memory exhausted|"
    r"cannot allocate memory|memory allocation fail|no space left|quota exceeded|"
    r"input/output error|resource temporarily unavailable|stale file handle",
    re.IGNORECASE,
)


class KernelsUnavailable(RuntimeError):
    """The custom ops cannot be built or loaded here; the message says why."""


class CompileError(KernelsUnavailable):
    """The compiler refuses the sources, as it would the next time."""


def sources(gpu: bool) -> list[Path]:
    """The files that go into a library; the fuzzer has a room beside theirs."""
    left_out = {"fuzz"} if gpu else {"fuzz", "cuda"}
    files = {*SOURCES.rglob("*.h"), *SOURCES.rglob("*.cc")}
    if not gpu:
        files.discard(SOURCES / _GPU_OPS)
    return sorted(f for f in files if f.relative_to(SOURCES).parts[0] not in left_out)


def x86() -> bool:
    """Whether the instruction sets of `X86` are compiled here."""
    return platform.machine() in ("x86_64", "AMD64")


def path() -> str:
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


def compile_ops(folder: Path, cuda: tuple[Nvcc, tuple[int, ...]] | None) -> Path:
    """Compile the library of the ops into a folder, and return its path there.

    Args:
        folder: Where to; it exists.
        cuda: An nvcc, and the architectures to compile the GPU kernels for.

    Raises:
        CompileError: A compiler refuses the sources.
        KernelsUnavailable: There is no compiler, or it did not finish.
    """
    import tensorflow as tf

    compiler = path()
    link = tf.sysconfig.get_link_flags()
    commands, objects = _units(compiler, folder, gpu=bool(cuda))
    if cuda:
        objects.append(str(folder / "cuda.o"))
        # The longest comes first.
        commands.insert(0, nvcc_command(*cuda, compiler, objects[-1]))
        # TensorFlow has functions of the same names, of its own version of CUDA.
        hidden = f"-Wl,--exclude-libs,{nvcc.CUDART}"
        link = [cuda[0].cudart, hidden, "-ldl", "-lrt", "-lpthread", *link]
    run_together(commands)
    library = folder / "ops.so"
    run([compiler, "-shared", "-o", str(library), *objects, *link])
    return library


def _units(compiler, folder, gpu):
    """The commands, and the objects that they make, in the order to link them in."""
    ours = ("-Wno-deprecated-declarations", *_tensorflow())
    jobs = [(op, ours) for op in (_OPS, *((_GPU_OPS,) if gpu else ()))]
    jobs += cpu_units(X86 if x86() else {})
    objects = [str(folder / f"{i}.o") for i in range(len(jobs))]
    commands = [
        command(compiler, (*COMMON, *flags), source, target)
        for (source, flags), target in zip(jobs, objects, strict=True)
    ]
    return commands, objects


def cpu_units(beside_portable) -> list[tuple[str, tuple[str, ...]]]:
    """The units of the CPU kernels and their flags, in the order to link them in.

    Args:
        beside_portable: Instruction set -> flags, of those that `dispatch.cc` may take
            beside the portable one: all of `X86`, or none.
    """
    # What several units define alike (templates of the standard library) is taken from
    # the first: the sets that every processor has must come before the others.
    return [
        ("cpu/cpu.cc", PORTABLE),
        ("shapes.cc", ()),
        ("cpu/dispatch.cc", ("-DDPW_X86",) if beside_portable else ()),
        *(("cpu/cpu.cc", flags) for flags in beside_portable.values()),
    ]


def command(compiler: str, flags, source: str, target) -> list[str]:
    """Compiles a file of `kernels/` into an object."""
    # In front of the other folders: what lies here must not be taken from elsewhere.
    start = (compiler, f"-I{SOURCES}", *flags)
    return [*start, "-c", str(SOURCES / source), "-o", str(target)]


def nvcc_command(found: Nvcc, targets, compiler: str, output) -> list[str]:
    """Compiles the CUDA kernels for these architectures."""
    threads = ("--threads", str(os.cpu_count() or 1)) if len(targets) > 1 else ()
    flags = (*NVCC, *nvcc.flags(targets), "-ccbin", compiler, *threads)
    return command(found.path, flags, _CUDA, output)


def _tensorflow():
    import tensorflow as tf

    return [f for f in tf.sysconfig.get_compile_flags() if not f.startswith("--std")]


def run_together(commands, jobs: int | None = None) -> None:
    """Run commands side by side; raises as `run` does, the first one's error.

    Whatever ends it, a signal, too, ends those that still run.
    """
    started: list[subprocess.Popen] = []
    ended = threading.Event()

    def begun(process):
        started.append(process)
        if ended.is_set():
            process.terminate()

    with ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
        try:
            list(pool.map(lambda command: run(command, begun), commands))
        except BaseException:
            ended.set()
            pool.shutdown(wait=False, cancel_futures=True)
            for process in started:
                process.terminate()
            raise


def run(command, begun: Callable[[subprocess.Popen], None] | None = None) -> None:
    """Run a compiler.

    Args:
        command: The program and its arguments.
        begun: Called with the process once it runs.

    Raises:
        CompileError: It refuses the sources.
        KernelsUnavailable: It did not come so far; the next time it may.
    """
    name = Path(command[0]).name
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    try:
        with subprocess.Popen(command, text=True, errors="replace", **pipes) as done:
            if begun:
                begun(done)
            try:
                stdout, stderr = done.communicate(timeout=_LONGEST_SECONDS)
            except BaseException:
                done.kill()
                raise
    except subprocess.TimeoutExpired as error:
        reason = f"was stopped after {error.timeout:.0f} s"
        raise KernelsUnavailable(f"{name} {reason}; {AGAIN}.") from error
    except OSError as error:
        reason = f"does not start ({error.strerror})"
        raise KernelsUnavailable(f"{name} {reason}; {AGAIN}.") from error
    if not done.returncode:
        return
    # Without the lines of the sources that are quoted below a message.
    lines = (stderr + stdout).splitlines()
    lines = [line.strip() for line in lines if not re.match(r"\s*\d* +\|", line)]
    passing = _ended_by(done.returncode) or _first(_PASSING, lines)
    refused = _first(_ERROR, lines)
    if refused and not passing:
        raise CompileError(f"{name} failed: {refused}")
    silent = f"no message, exit status {done.returncode}"
    raise KernelsUnavailable(f"{name} failed: {passing or silent}; {AGAIN}.")


def _ended_by(status) -> str:
    # A shell around the compiler adds 128.
    number = -status if status < 0 else status - 128
    if number not in set(signal.Signals):
        return ""
    return f"ended by {signal.Signals(number).name}, perhaps for want of memory"


def _first(pattern, lines) -> str:
    return next((line for line in lines if pattern.search(line)), "")
