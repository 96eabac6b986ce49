"""The CUDA kernels without a GPU: run as host C++, and compiled by nvcc."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hyperseg_tf.layout import decoder_layout
from hyperseg_tf.ops import build
from hyperseg_tf.presets import get

# Compiling takes minutes: all of it is for `make test-slow`.
pytestmark = pytest.mark.slow

ARCHITECTURES = (70, 75, 80, 86, 89, 90)
PUBLISHED = (
    "hyperseg_l_voc",
    "hyperseg_m_cityscapes",
    "hyperseg_s_cityscapes",
    "hyperseg_s_camvid",
    "hyperseg_l_camvid",
)
COMPILER = os.environ.get("CXX") or "g++"
# Missing on a laptop, it is skipped; in CI it must be there.
needs_compiler = pytest.mark.skipif(
    not shutil.which(COMPILER) and not os.environ.get("CI"),
    reason=f"the host build is compiled: there is no {COMPILER}, and CXX names none",
)
FLAGS = (
    *("-std=c++17", "-O1", "-g1", "-Wall", "-Wextra", "-Wno-psabi"),
    *("-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
)


@pytest.fixture(scope="module")
def cuda_host(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cuda_host")
    main = Path(__file__).with_name("cuda_host.cc")
    # The other files only serve to compare with; without sanitizers they compile fast.
    units = [(main, FLAGS)]
    units += [(build.SOURCES / u, build._COMMON) for u in ("dispatch.cc", "shapes.cc")]
    units.append((build.SOURCES / "cpu.cc", (*build._COMMON, *build._PORTABLE, "-O1")))
    objects = []
    for source, flags in units:
        objects.append(folder / f"{source.stem}.o")
        subprocess.run([COMPILER, *flags, "-c", source, "-o", objects[-1]], check=True)
    binary = folder / "cuda_host"
    subprocess.run([COMPILER, *FLAGS, *objects, "-o", binary], check=True)

    def run(*arguments, stdin=""):
        done = subprocess.run(
            [binary, *map(str, arguments)], input=stdin, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@needs_compiler
@pytest.mark.parametrize("what, count", [("block", 150), ("conv", 100)])
def test_host_build_equals_the_cpu_kernels(cuda_host, what, count):
    line = cuda_host(what, count, 1)
    assert line.startswith(f"{what}: {count} shapes, ")


@needs_compiler
def test_published_levels_fit_the_shared_memory_of_every_device(cuda_host):
    shapes = []
    for preset in map(get, PUBLISHED):
        height, width = preset.image_size
        grid = (height // preset.patch_size, width // preset.patch_size)
        for level in decoder_layout(preset)[0]:
            stride = 2**level.feature
            sizes = (height // stride, width // stride, *grid, level.in_channels)
            sizes += (level.hidden, level.filters, level.kernel_size)
            shapes.append((*sizes, int(preset.halo == "neighbour")))
    lines = cuda_host("plan", stdin="\n".join(" ".join(map(str, s)) for s in shapes))
    plans = [[int(n) for n in re.findall(r"\d+", line)] for line in lines.splitlines()]
    assert len(plans) == 2 * len(shapes)
    for shape, small, large in zip(shapes, plans[::2], plans[1::2], strict=True):
        assert small[-1] <= 48 * 1024, shape
        assert large[-1] <= 76 * 1024, shape  # three blocks share a multiprocessor


def nvcc():
    known = Path("/usr/local/cuda/bin/nvcc")
    return shutil.which("nvcc") or (str(known) if known.exists() else None)


@pytest.mark.skipif(not nvcc(), reason="there is no nvcc")
def test_nvcc_compiles_all_architectures_without_a_warning(tmp_path):
    listed = subprocess.run(
        [nvcc(), "--list-gpu-arch"], capture_output=True, text=True, check=True
    )
    known = [a for a in ARCHITECTURES if f"compute_{a}\n" in listed.stdout]
    assert {80, 86, 89, 90} <= set(known)
    flags = [f"-gencode=arch=compute_{a},code=sm_{a}" for a in known]
    # Newer devices compile it from there.
    flags.append(f"-gencode=arch=compute_{known[-1]},code=compute_{known[-1]}")
    done = subprocess.run(
        [
            *(nvcc(), "-x", "cu", "-std=c++17", "-O3", "-Werror", "all-warnings"),
            *("-Xcompiler", "-fPIC,-Wall,-Wextra", *flags),
            *("-c", build.SOURCES / "cuda.cu.cc", "-o", tmp_path / "cuda.o"),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr


@needs_compiler
def test_gpu_ops_compile_against_the_headers_of_a_cpu_wheel(tmp_path):
    source = build.SOURCES / "tf_gpu.cc"
    target = ("-fsyntax-only", "-Wno-deprecated-declarations")
    subprocess.run(
        [COMPILER, *build._COMMON, *build._tensorflow(), *target, source], check=True
    )


@needs_compiler
def test_kernels_equal_the_numpy_specification():
    program = Path(__file__).parents[1] / "benchmarks/gpu/kernels.py"
    done = subprocess.run(
        [sys.executable, program, "--check-only", "--cases", "60"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "120 shapes equal the reference, twice the same bits" in done.stdout
