"""NVIDIA's compiler: where it is, which devices it compiles for, what to link.

Asks files, nvcc and the driver, never TensorFlow. An nvcc that cannot be used here is
passed over for the next one; the reason of the first is the one to report.
"""

import ctypes
import functools
import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

# The published targets: 86 and 89 differ from 80 in shared memory and schedules.
ARCHITECTURES = (70, 75, 80, 86, 89, 90)
CUDART = "libcudart_static.a"
_USUAL = Path("/usr/local/cuda/bin/nvcc")
INSTALL = (
    "install a CUDA toolkit and set CUDA_HOME, or, for a driver of CUDA 13, install "
    "hyperseg_tf[cuda]"
)


class NvccUnavailable(RuntimeError):
    """There is no nvcc that can be used here; the message says why."""


@dataclass(frozen=True)
class Nvcc:
    """One nvcc.

    Args:
        path: The program.
        version: As in "13.0.88".
        known: Architectures that it compiles for, ascending: 90 is sm_90.
        cudart: CUDA's runtime as a static library, of the same toolkit.
    """

    path: str
    version: str
    known: tuple[int, ...]
    cudart: str

    def targets(self, devices: tuple[int, ...] = ()) -> tuple[int, ...]:
        """The architectures to compile for: those of `devices`, all without any.

        Raises:
            NvccUnavailable: It does not compile for one of the devices.
        """
        if not devices:
            return tuple(a for a in ARCHITECTURES if a in self.known)
        chosen = set()
        for device in devices:
            if device < ARCHITECTURES[0]:
                raise NvccUnavailable(
                    f"they need a GPU of sm_{ARCHITECTURES[0]} or newer: it is "
                    f"sm_{device}."
                )
            older = [a for a in self.known if ARCHITECTURES[0] <= a <= device]
            if not older:
                raise NvccUnavailable(
                    f"nvcc {self.version} compiles for sm_{self.known[0]} and newer, "
                    f"the GPU is sm_{device}; set CUDA_HOME to an older CUDA toolkit."
                )
            chosen.add(older[-1])
        return tuple(sorted(chosen))


def flags(targets: tuple[int, ...]) -> list[str]:
    """Code for these architectures, and for newer devices PTX of the newest."""
    code = [f"-gencode=arch=compute_{a},code=sm_{a}" for a in targets[:-1]]
    last = targets[-1]
    return [*code, f"-gencode=arch=compute_{last},code=[sm_{last},compute_{last}]"]


def covers(targets: tuple[int, ...], device: int) -> bool:
    """Whether code for these architectures runs on a device."""
    same = any(a // 10 == device // 10 and a <= device for a in targets)
    return same or device > max(targets)  # by way of the PTX


@functools.cache
def find() -> Nvcc:
    """The first usable one: $CUDA_HOME, PATH, /usr/local/cuda, an installed wheel.

    Raises:
        NvccUnavailable: There is none.
    """
    home, path = os.environ.get("CUDA_HOME"), shutil.which("nvcc")
    places = [Path(home) / "bin" / "nvcc"] if home else []
    places += [Path(path)] if path else []
    places += [_USUAL, *in_wheels()]
    reason = ""
    for place in filter(Path.is_file, places):
        try:
            found = ask(place)
            _fits_the_driver(found)
            return found
        except NvccUnavailable as error:
            reason = reason or str(error)
    raise NvccUnavailable(reason or f"there is no nvcc; {INSTALL}.")


def in_wheels() -> list[Path]:
    """Those of the nvidia-cuda-nvcc wheels in this environment."""
    spec = importlib.util.find_spec("nvidia")
    folders = spec.submodule_search_locations if spec else None
    return [p for f in folders or () for p in sorted(Path(f).glob("*/bin/nvcc"))]


def ask(path: Path) -> Nvcc:
    """What the program at `path` says of itself.

    Raises:
        NvccUnavailable: It does not run, or its toolkit is not whole.
    """
    version = re.search(r"\bV(\d+\.\d+\.\d+)", _output(path, "--version"))
    listed = re.findall(r"compute_(\d+)", _output(path, "--list-gpu-arch"))
    if not version or not listed:
        raise NvccUnavailable(f"{path} does not say its version or its architectures.")
    # Also right where `path` is a script that starts another one.
    settings = _output(path, "--dryrun", "-x", "cu", "/dev/null", "-o", "/dev/null")
    top = re.findall(r"^#\$ TOP=(.*)$", settings, re.MULTILINE)
    folders = re.findall(r'"-L([^"]+)"', settings)
    # Wheels have it in `lib`, where nvcc itself does not look.
    folders += [f"{t}/{name}" for t in top for name in ("lib64", "lib")]
    for folder in folders:
        cudart = Path(folder) / CUDART
        if cudart.is_file():
            known = tuple(sorted(map(int, listed)))
            return Nvcc(str(path), version[1], known, str(cudart.resolve()))
    raise NvccUnavailable(f"the toolkit of {path} has no {CUDART}; {INSTALL}.")


def driver() -> tuple[int, int] | None:
    """The CUDA version that the driver here runs, None without one."""
    version = ctypes.c_int(0)
    try:
        if ctypes.CDLL("libcuda.so.1").cuDriverGetVersion(ctypes.byref(version)):
            return None
    except (OSError, AttributeError):
        return None
    return version.value // 1000, version.value % 1000 // 10


def _fits_the_driver(nvcc):
    runs = driver()
    if runs and int(nvcc.version.split(".")[0]) > runs[0]:
        raise NvccUnavailable(
            f"nvcc {nvcc.version} is newer than the driver, which runs CUDA "
            f"{runs[0]}.{runs[1]}; update the driver, or set CUDA_HOME to a toolkit of "
            f"CUDA {runs[0]}."
        )


def _output(path, *arguments) -> str:
    try:
        done = subprocess.run(
            [str(path), *arguments], capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NvccUnavailable(f"{path} does not run ({error}).") from error
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        raise NvccUnavailable(f"{path} {arguments[0]} failed: {lines[-1]}")
    return done.stdout + done.stderr  # a dry run writes to stderr
