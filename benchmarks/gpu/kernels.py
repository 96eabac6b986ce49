"""The CUDA kernels: checked against NumPy, timed beside PyTorch and JAX.

    python -m benchmarks.gpu.kernels [--json FILE] [--sweep]
    python -m benchmarks.gpu.kernels --check-only

Run from the repository's root. Needs NumPy, and nvcc with a GPU; TensorFlow and Keras
need not be installed. Compiles harness.cu for the GPU at hand, checks random awkward
sizes in float32, bfloat16 and float16, runs some of them under compute-sanitizer where
there is one, and times the stride-2 level of HyperSeg-M (256x512 pixels, 16x32 patches,
34 -> 68 -> 19 channels) with CUDA events: against the time of a copy of the same bytes,
and beside the same level in PyTorch (unfold and a grouped convolution) and JAX (the
einsum formulation, compiled by XLA), where these are installed. Without a GPU it
compiles for sm_90, if there is nvcc, and checks the kernels built as host C++.
"""

import argparse
import ctypes
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.gpu import reference
from benchmarks.gpu.harness import Harness
from benchmarks.gpu.shapes import block_inputs, block_shape, conv_inputs, conv_shape
from benchmarks.gpu.storage import STEP, TYPES, stored_values, value
from benchmarks.gpu.times import measure, report
from hyperseg_tf.ops import nvcc
from hyperseg_tf.ops.compiler import SOURCES

HERE = Path(__file__).resolve().parent
LIBRARY = "HARNESS_LIBRARY"  # of the run inside compute-sanitizer


def main(arguments=None) -> int:
    """Compile, check, time; the table comes last."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=150, help="random shapes per kind")
    parser.add_argument("--check-only", action="store_true", help="no times")
    parser.add_argument("--sweep", action="store_true", help="time other tilings, too")
    parser.add_argument("--json", type=Path, help="also write the numbers there")
    args = parser.parse_args(arguments)
    if os.environ.get(LIBRARY):
        check(Harness(os.environ[LIBRARY]), args.cases)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        return compile_and_run(args, Path(folder))


def compile_and_run(args, folder) -> int:
    """Everything, with the compiled library in `folder`."""
    library, gpu = folder / "harness.so", has_gpu()
    try:
        compiler = nvcc.find()
    except nvcc.NvccUnavailable as error:
        print(f"the GPU half is not compiled: {error}")
    else:
        start = time.monotonic()
        target = "native" if gpu else "sm_90"
        flags = (f"-I{SOURCES}", "-std=c++17", "-O3", f"-arch={target}", "-lineinfo")
        source = HERE / "harness.cu"
        subprocess.run(
            [compiler.path, *flags, "-Xcompiler", "-fPIC", "-shared", source]
            + [compiler.cudart, "-cudart=none", "-ldl", "-lrt", "-lpthread"]
            + ["-o", library],
            check=True,
        )
        took = time.monotonic() - start
        print(f"nvcc {compiler.version} -arch={target}: {took:.0f} s", flush=True)
    if not gpu or not library.exists():
        print("no GPU: the kernels are built as host C++, nothing is timed", flush=True)
        compiler = os.environ.get("CXX") or "g++"
        flags = (f"-I{SOURCES}", "-std=c++17", "-O2", "-fPIC", "-shared")
        library = folder / "harness_host.so"
        subprocess.run(
            [compiler, *flags, "-DDPW_HOST_BUILD", "-x", "c++", HERE / "harness.cu"]
            + ["-o", library],
            check=True,
        )
        check(Harness(library), args.cases)
        return 0
    # JAX would take most of the memory for itself.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    harness = Harness(library)
    print(harness.device(), flush=True)
    results = {"device": harness.device(), "checks": check(harness, args.cases)}
    results["sanitizer"] = sanitize(library)
    if not args.check_only:
        results["times"] = measure(harness, args.sweep)
        report(results["times"])
    if args.json:
        args.json.write_text(json.dumps(results, indent=2) + "\n", "utf-8")
    return 0


def has_gpu() -> bool:
    """Whether the driver of CUDA finds a device."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int(0)
    return (
        driver.cuInit(0) == 0
        and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
        and count.value > 0
    )


def check(harness, cases: int) -> dict:
    """Compare random shapes with the reference, each twice, bit for bit."""
    rng = np.random.default_rng(0)
    worst = {}
    for index in range(cases):
        kind = TYPES[index % 3]
        shape = block_shape(rng)
        inputs = block_inputs(rng, shape, kind)
        got = [harness.block(kind, shape, inputs) for _ in range(2)]
        rounded = functools.partial(stored_values, kind=kind)
        expected = reference.block(shape, [value(i, kind) for i in inputs], rounded)
        compare(worst, "block", kind, shape, got, expected)
        shape = conv_shape(rng)
        inputs = conv_inputs(rng, shape, kind)
        got = [harness.conv(kind, shape, inputs) for _ in range(2)]
        expected = reference.conv(shape, *(value(i, kind) for i in inputs))
        names = ("conv", "conv gradient of x", "conv gradient of weights")
        for i, name in enumerate(names):
            compare(worst, name, kind, shape, [g[i] for g in got], expected[i])
    print(
        f"{2 * cases} shapes equal the reference, twice the same bits; largest "
        "difference over scale:"
    )
    for name, errors in worst.items():
        row = ", ".join(f"{kind} {error:.1e}" for kind, error in errors.items())
        print(f"  {name}: {row}", flush=True)
    return worst


def compare(worst, name, kind, shape, got, expected):
    """Refuse two runs that differ, or values further off than their rounding."""
    if got[0].tobytes() != got[1].tobytes():
        raise AssertionError(f"{name} {kind}: two runs differ: {shape}")
    scale = max(np.abs(expected).max(initial=0.0), 1e-3)
    error = np.abs(value(got[0], kind) - expected)
    allowed = 2e-5 * scale + 0.51 * STEP[kind] * np.abs(expected)
    if not (error <= allowed).all():
        raise AssertionError(f"{name} {kind}: off by {np.nanmax(error)}: {shape}")
    errors = worst.setdefault(name, dict.fromkeys(TYPES, 0.0))
    errors[kind] = max(errors[kind], float(error.max(initial=0.0) / scale))


def sanitize(library) -> dict:
    """Errors that the tools of compute-sanitizer report, or why it did not run."""
    tool = shutil.which("compute-sanitizer") or "/usr/local/cuda/bin/compute-sanitizer"
    if not Path(tool).exists():
        print("compute-sanitizer: not found", flush=True)
        return {}
    results = {}
    for name, cases in (("memcheck", 24), ("racecheck", 12), ("initcheck", 12)):
        program = [sys.executable, "-m", "benchmarks.gpu.kernels"]
        program += ["--cases", str(cases)]
        try:
            done = subprocess.run(
                [tool, "--tool", name, "--error-exitcode", "9", *program],
                cwd=HERE.parents[1],
                env={**os.environ, LIBRARY: str(library)},
                capture_output=True,
                text=True,
                timeout=75,
            )
        except subprocess.TimeoutExpired:
            results[name] = "not finished in 75 s"
        else:
            lines = done.stdout.splitlines()
            summaries = [line for line in lines if "SUMMARY" in line]
            results[name] = summaries[-1].strip("= ") if summaries else "did not run"
            results[name] += f", exit status {done.returncode}"
        print(f"compute-sanitizer {name}: {results[name]}", flush=True)
    return results


if __name__ == "__main__":
    sys.exit(main())
