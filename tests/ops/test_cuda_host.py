"""The CUDA kernels without a GPU: run as host C++, and compiled by nvcc."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hyperseg_tf.network.layout import decoder_layout
from hyperseg_tf.ops import build, cache, compiler, nvcc
from hyperseg_tf.presets import get
from tests.ops import nvrtc

# Compiling takes minutes: all of it is for `make test-slow`.
pytestmark = pytest.mark.slow

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
    *("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-pthread"),
)


@pytest.fixture(scope="module")
def cuda_host(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cuda_host")
    main = Path(__file__).with_name("cuda_host.cc")
    # The other files only serve to compare with; without sanitizers they compile fast.
    units = [(main, FLAGS)]
    for source, flags in compiler.cpu_units({}):
        units.append((source, (*compiler.COMMON, *flags, "-O1")))
    objects = [folder / f"{i}.o" for i in range(len(units))]
    compiler.run_together(
        compiler.command(COMPILER, flags, source, to)
        for (source, flags), to in zip(units, objects, strict=True)
    )
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
@pytest.mark.parametrize(
    "what, count",
    [
        ("block", 50),
        ("conv", 50),
        pytest.param("block", 150, marks=pytest.mark.grid),
        pytest.param("conv", 100, marks=pytest.mark.grid),
    ],
)
def test_host_build_equals_the_cpu_kernels(cuda_host, what, count):
    line = cuda_host(what, count, 1)
    assert line.startswith(f"{what}: {count} shapes, ")


@needs_compiler
def test_threads_on_levels_of_many_sizes_share_one_limit_of_shared_memory(cuda_host):
    assert cuda_host("launch").startswith("launch: 3202 launches, one limit for each")


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


def missing(what):
    """CI must not skip: `make test` installs all that is needed."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="module")
def cuda():
    """An nvcc, that of the wheels first, and the architectures that it compiles for."""
    wheels = nvcc.in_wheels()
    try:
        found = nvcc.ask(wheels[0]) if wheels else nvcc.find()
    except nvcc.NvccUnavailable as error:
        missing(str(error))
    targets = found.targets()
    assert {75, 80, 86, 89, 90} <= set(targets)
    return found, targets


@pytest.fixture(scope="module")
def cuda_object(cuda, tmp_path_factory):
    output = tmp_path_factory.mktemp("cuda") / "cuda.o"
    command = compiler.nvcc_command(*cuda, COMPILER, output)
    warnings = ("-Werror", "all-warnings", "-Xcompiler", "-Wall,-Wextra")
    done = subprocess.run([*command, *warnings], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return output


@needs_compiler
def test_nvcc_compiles_all_architectures_without_a_warning(cuda, cuda_object):
    content = cuda_object.read_bytes()
    for target in cuda[1]:
        assert f"sm_{target}".encode() in content


@needs_compiler
def test_cuda_12_compiles_the_same_kernels_for_sm_70(cuda_object):
    if not nvrtc.folder():
        missing("CUDA's runtime compiler is not installed: pip install '.[test]'.")
    symbols = subprocess.run(
        ["nm", "--demangle", cuda_object], capture_output=True, text=True, check=True
    )
    kernel = r" (?:void )?(dpw::gpu::run_blocks<.*>)\(dpw::gpu::\w+<"
    instances = sorted(set(re.findall(kernel, symbols.stdout)))
    assert len(instances) == 27
    code = nvrtc.compile_kernels(instances, "sm_70")
    machine, flags = (int.from_bytes(code[i : i + 2], "little") for i in (18, 48))
    assert machine == 190  # of an ELF file for CUDA
    assert flags & 0xFF == 70


@needs_compiler
def test_the_library_with_gpu_kernels_loads_and_runs_without_a_gpu(
    cuda, cuda_object, tmp_path, monkeypatch
):
    monkeypatch.setenv(cache.CACHE, str(tmp_path))
    monkeypatch.setattr(  # compiled above
        compiler, "nvcc_command", lambda *arguments: ["cp", cuda_object, arguments[-1]]
    )
    whole = compiler.command
    monkeypatch.setattr(  # what runs here is small
        compiler, "command", lambda *args: [*whole(*args), "-O1"]
    )
    build.build(cache.gpu_library(*cuda), cuda)
    code = (
        "import tensorflow as tf\n"
        "from tensorflow.python.framework import kernels\n"
        "from hyperseg_tf.ops import build, fused\n"
        "build.load()\n"
        "for op in ('DpwBlock', 'DpwConv', 'DpwConvGrad'):\n"
        "    found = kernels.get_registered_kernels_for_op(op).kernel\n"
        "    print(op, *sorted(kernel.device_type for kernel in found))\n"
        "x, weights = tf.ones((1, 4, 6, 2)), tf.ones((1, 2, 3, 54))\n"
        "with tf.GradientTape() as tape:\n"
        "    tape.watch(x)\n"
        "    y = fused.conv(x, weights, 3, 3, 1, 'reflect')\n"
        "print(float(tf.reduce_min(y)), float(tf.reduce_max(y)))\n"
        "print(float(tf.reduce_sum(tape.gradient(y, x))))\n"
    )
    home = Path(cuda[0].path).parents[2]
    environment = {**os.environ, build.GPU: "1", "CUDA_HOME": str(home)}
    environment["CXX"] = "no-such-compiler"  # what is in the cache must do
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).resolve().parents[2],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    devices = " ".join(["CPU"] * 3 + ["GPU"] * 3)
    assert done.stdout.splitlines() == [
        *(f"{op} {devices}" for op in ("DpwBlock", "DpwConv", "DpwConvGrad")),
        "18.0 18.0",
        "1296.0",
    ]


@needs_compiler
@pytest.mark.parametrize("cases", [20, pytest.param(60, marks=pytest.mark.grid)])
def test_kernels_equal_the_numpy_specification(cases):
    program = ("-m", "benchmarks.gpu.kernels", "--check-only", "--cases", str(cases))
    done = subprocess.run(
        [sys.executable, *program],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{2 * cases} shapes equal the reference, twice the same bits" in done.stdout
