"""The CUDA kernels: checked against NumPy, timed beside PyTorch and JAX.

    python benchmarks/gpu/kernels.py [--json FILE] [--sweep]
    python benchmarks/gpu/kernels.py --check-only

Needs NumPy, and nvcc with a GPU; TensorFlow, Keras and this package need not be
installed. Compiles harness.cu for the GPU at hand, checks random awkward sizes in
float32, bfloat16 and float16, runs some of them under compute-sanitizer where there is
one, and times the stride-2 level of HyperSeg-M (256x512 pixels, 16x32 patches, 34 -> 68
-> 19 channels) with CUDA events: against the time of a copy of the same bytes, and
beside the same level in PyTorch (unfold and a grouped convolution) and JAX (the einsum
formulation, compiled by XLA), where these are installed. Without a GPU it compiles for
sm_90, if there is nvcc, and checks the kernels built as host C++.
"""

import argparse
import ctypes
import functools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
if __package__ in (None, ""):
    sys.path.insert(0, str(HERE))
    import reference
else:
    from benchmarks.gpu import reference

TYPES = ("float32", "bfloat16", "float16")
STEP = {"float32": 0.0, "bfloat16": 2.0**-7, "float16": 2.0**-10}
BLOCK_SIZES = (
    *("batch", "height", "width", "feature", "previous", "rows", "columns"),
    *("signal", "offset", "groups", "depth", "units", "start", "hidden", "filters"),
    *("kernel", "positions", "neighbour", "padding"),
)
CONV_SIZES = (
    *("batch", "height", "width", "channels", "rows", "columns"),
    *("filters", "kernel", "groups", "padding"),
)
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
    nvcc = shutil.which("nvcc") or "/usr/local/cuda/bin/nvcc"
    library, gpu = folder / "harness.so", has_gpu()
    if Path(nvcc).exists():
        start = time.monotonic()
        target = "native" if gpu else "sm_90"
        flags = ("-std=c++17", "-O3", f"-arch={target}", "-lineinfo", "-Xcompiler")
        subprocess.run(
            [nvcc, *flags, "-fPIC", "-shared", HERE / "harness.cu", "-o", library],
            check=True,
        )
        print(f"nvcc -arch={target}: {time.monotonic() - start:.0f} s", flush=True)
    else:
        print("no nvcc: the GPU half is not compiled")
    if not gpu or not library.exists():
        print("no GPU: the kernels are built as host C++, nothing is timed", flush=True)
        compiler = os.environ.get("CXX") or "g++"
        flags = ("-std=c++17", "-O2", "-fPIC", "-shared", "-DDPW_HOST_BUILD", "-x")
        library = folder / "harness_host.so"
        subprocess.run(
            [compiler, *flags, "c++", HERE / "harness.cu", "-o", library], check=True
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


class Harness:
    """The functions of harness.cu, with NumPy arrays for pointers."""

    def __init__(self, path):
        self._library = ctypes.CDLL(str(path))

    def device(self) -> str:
        """Name and size of the device."""
        name = ctypes.create_string_buffer(200)
        self._call("harness_device", name, len(name))
        return name.value.decode()

    def block(self, kind, shape, inputs):
        """(B, H, W, filters) as stored."""
        size = (shape["batch"], shape["height"], shape["width"], shape["filters"])
        output = np.empty(size, storage(kind))
        self._call(
            "harness_block",
            TYPES.index(kind),
            sizes(shape, BLOCK_SIZES),
            pointers(inputs),
            pointer(output),
        )
        return output

    def conv(self, kind, shape, inputs):
        """Output and both gradients as stored."""
        x, weights, upstream = inputs
        outputs = [np.empty_like(upstream), np.empty_like(x), np.empty_like(weights)]
        self._call(
            "harness_conv",
            TYPES.index(kind),
            sizes(shape, CONV_SIZES),
            pointers(inputs),
            pointers(outputs),
        )
        return outputs

    def plan(self, shape) -> list[int]:
        """The tiling: see harness.cu."""
        tiling = (ctypes.c_int * 9)()
        self._call("harness_plan", sizes(shape, BLOCK_SIZES), tiling)
        return list(tiling)

    def time_block(self, kind, shape, inputs, rounds=30, calls=20) -> float:
        """Microseconds."""
        return self._time(
            "harness_time_block",
            TYPES.index(kind),
            sizes(shape, BLOCK_SIZES),
            pointers(inputs),
            rounds,
            calls,
        )

    def time_plan(self, kind, shape, inputs, tiling, rounds=5, calls=10) -> float:
        """Microseconds of the second kernel with this tiling."""
        return self._time(
            "harness_time_plan",
            TYPES.index(kind),
            sizes(shape, BLOCK_SIZES),
            pointers(inputs),
            (ctypes.c_int * 6)(*tiling),
            rounds,
            calls,
        )

    def time_copy(self, count: int, rounds=20, calls=10) -> float:
        """Microseconds of a copy that reads and writes `count` bytes."""
        return self._time("harness_time_copy", ctypes.c_int64(count), rounds, calls)

    def _time(self, name, *arguments) -> float:
        microseconds = ctypes.c_double(0.0)
        self._call(name, *arguments, ctypes.byref(microseconds))
        return microseconds.value

    def _call(self, name, *arguments):
        function = getattr(self._library, name)
        function.restype = ctypes.c_char_p
        wrong = function(*arguments)
        if wrong:
            raise RuntimeError(f"{name}: {wrong.decode()}")


def sizes(shape, names):
    """A C array of these sizes."""
    return (ctypes.c_int64 * len(names))(*(int(shape[name]) for name in names))


def pointer(array):
    """The address of an array, null for an empty one."""
    return ctypes.c_void_p(array.ctypes.data if array.size else None)


def pointers(arrays):
    """A C array of the addresses."""
    return (ctypes.c_void_p * len(arrays))(*(pointer(a).value for a in arrays))


def storage(kind: str):
    """NumPy has no bfloat16: its bits are stored."""
    return {"float32": "float32", "bfloat16": "uint16", "float16": "float16"}[kind]


def store(values, kind: str):
    """Round float32 values to a type, ties to even."""
    values = np.ascontiguousarray(values, "float32")
    if kind != "bfloat16":
        return values.astype(kind)
    bits = values.view("uint32")
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("uint16")


def stored_values(values, kind: str):
    """Values as they are after a round through a type."""
    return value(store(values, kind), kind)


def value(stored, kind: str):
    """The values of a stored array, in double precision."""
    if kind == "bfloat16":
        stored = (stored.astype("uint32") << 16).view("float32")
    return stored.astype("float64")


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


def block_shape(rng) -> dict:
    """A random level of awkward sizes."""
    while True:
        shape = {
            "batch": rng.integers(1, 3),
            "feature": rng.integers(1, 14),
            "previous": rng.integers(0, 10) * (rng.random() < 0.6),
            "rows": rng.integers(1, 4),
            "columns": rng.integers(1, 4),
            "filters": rng.integers(1, 26),
            "hidden": rng.integers(1, 40) * (rng.random() < 0.75),
            "positions": rng.random() < 0.7,
            "neighbour": rng.random() < 0.4,
            "padding": rng.integers(0, 4),
            "offset": rng.integers(0, 4),
            "groups": rng.integers(1, 9) * (rng.random() < 0.8),
            "start": rng.integers(1, 30) * (rng.random() < 0.3),
        }
        shape = {name: int(size) for name, size in shape.items()}
        largest = 30 if rng.random() < 0.1 else 9
        shape["height"] = shape["rows"] * int(rng.integers(1, largest))
        shape["width"] = shape["columns"] * int(rng.integers(1, largest))
        shape["kernel"] = int(rng.choice([3, 3, 3, 1, 5, 7])) if shape["hidden"] else 1
        shape["neighbour"] *= shape["hidden"] > 0
        if rng.random() < 0.2:
            shape["filters"] = reference.input_channels(shape)
        least = min(shape["height"], shape["width"])
        halo = (shape["kernel"] - 1) // 2
        odd = shape["height"] % 2 or shape["width"] % 2
        if halo < least and not (shape["previous"] and odd):
            return with_units(shape, int(rng.integers(0, 5)), int(rng.integers(1, 9)))


def with_units(shape, surplus: int, depth: int) -> dict:
    """Complete a level by the sizes of its weights."""
    channels, hidden = reference.input_channels(shape), shape["hidden"]
    size = shape["filters"] * channels
    if hidden:
        size = hidden * (channels + shape["kernel"] ** 2 + shape["filters"])
    shape["units"] = shape["start"] + size + surplus
    shape["depth"] = 0
    if shape["groups"]:
        shape["units"] = -(-shape["units"] // shape["groups"]) * shape["groups"]
        shape["depth"] = depth
        shape["signal"] = shape["offset"] + shape["groups"] * depth + 2
    else:
        shape["signal"] = shape["units"]
    return shape


def block_inputs(rng, shape, kind):
    """Random arrays as harness.cu takes them, stored."""
    b, h, w = shape["batch"], shape["height"], shape["width"]
    fan_in = max(shape["depth"], 1) ** 0.5
    arrays = (
        rng.normal(size=(b, h, w, shape["feature"])),
        rng.normal(size=(b, h // 2, w // 2, shape["previous"])),
        rng.normal(size=(b, shape["rows"], shape["columns"], shape["signal"])) / 2,
        rng.normal(size=(shape["depth"], shape["units"])) / fan_in,
        rng.normal(size=shape["hidden"]),
        rng.normal(size=shape["hidden"]),
        rng.normal(size=shape["filters"]),
    )
    return [store(array, kind) for array in arrays]


def conv_shape(rng) -> dict:
    """A random convolution of awkward sizes."""
    while True:
        groups = int(rng.integers(1, 7)) if rng.random() < 0.6 else 1
        depthwise = rng.random() < 0.3
        rows, columns = rng.integers(1, 4, 2)
        shape = {
            "batch": rng.integers(1, 3),
            "height": rows * rng.integers(1, 9),
            "width": columns * rng.integers(1, 30 if rng.random() < 0.1 else 9),
            "channels": groups * (1 if depthwise else rng.integers(1, 9)),
            "rows": rows,
            "columns": columns,
            "filters": groups * (1 if depthwise else rng.integers(1, 9)),
            "kernel": rng.choice([1, 3, 3, 5]),
            "groups": groups,
            "padding": rng.integers(0, 4),
        }
        shape = {name: int(size) for name, size in shape.items()}
        if (shape["kernel"] - 1) // 2 < min(shape["height"], shape["width"]):
            return shape


def conv_inputs(rng, shape, kind):
    """Random x, weights and gradient of the output, stored."""
    b, h, w = shape["batch"], shape["height"], shape["width"]
    weights = shape["filters"] * (shape["channels"] // shape["groups"])
    weights *= shape["kernel"] ** 2
    arrays = (
        rng.normal(size=(b, h, w, shape["channels"])),
        rng.normal(size=(b, shape["rows"], shape["columns"], weights)) / 3,
        rng.normal(size=(b, h, w, shape["filters"])),
    )
    return [store(array, kind) for array in arrays]


def sanitize(library) -> dict:
    """Errors that the tools of compute-sanitizer report, or why it did not run."""
    tool = shutil.which("compute-sanitizer") or "/usr/local/cuda/bin/compute-sanitizer"
    if not Path(tool).exists():
        print("compute-sanitizer: not found", flush=True)
        return {}
    results = {}
    for name, cases in (("memcheck", 24), ("racecheck", 12), ("initcheck", 12)):
        program = [sys.executable, __file__, "--cases", str(cases)]
        try:
            done = subprocess.run(
                [tool, "--tool", name, "--error-exitcode", "9", *program],
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


def finest_level(batch: int) -> dict:
    """The stride-2 level of HyperSeg-M at 512x1024."""
    return with_units(
        {
            **{"batch": batch, "height": 256, "width": 512, "rows": 16, "columns": 32},
            **{"feature": 16, "previous": 16, "positions": 1, "hidden": 68},
            **{"filters": 19, "kernel": 3, "neighbour": 0, "padding": 0},
            **{"offset": 0, "groups": 4, "start": 0},
        },
        0,
        80,
    )


def measure(harness, sweep: bool) -> dict:
    """Microseconds of the finest level of HyperSeg-M, and of those beside it."""
    rng = np.random.default_rng(1)
    rows = []
    for batch in (1, 16):
        shape = finest_level(batch)
        for kind in TYPES:
            inputs = block_inputs(rng, shape, kind)
            # Each input and output once; the signal's unused channels stay unread.
            moved = sum(i.nbytes for i in inputs)
            pixels = batch * shape["height"] * shape["width"]
            moved += pixels * shape["filters"] * inputs[0].itemsize
            ours = harness.block(kind, shape, inputs)
            row = {
                "batch": batch,
                "type": kind,
                "bytes": moved,
                "copy_us": harness.time_copy(moved // 2),
                "ours_us": harness.time_block(kind, shape, inputs),
                "plan": harness.plan(shape),
                "gflop": 2e-9 * multiply_adds(shape),
            }
            for name, peer in (("torch", torch_level), ("jax", jax_level)):
                try:
                    row[f"{name}_us"], output = peer(shape, kind, inputs)
                except ImportError as error:
                    print(f"{name}: {error}", flush=True)
                    continue
                except Exception as error:  # one peer's trouble is not the others'
                    print(f"{name} {kind} batch {batch}: {error}", flush=True)
                    continue
                difference = np.abs(output - value(ours, kind)).max()
                row[f"{name}_difference"] = float(difference / np.abs(output).max())
            if sweep and batch == 1:
                row["sweep"] = sweep_tilings(harness, kind, shape, inputs)
            rows.append(row)
            print(f"timed {kind}, batch {batch}", flush=True)
    # 2 GiB read and written: far more than any cache holds.
    count = 2**31
    return {"rows": rows, "copy_tb_s": 2e-6 * count / harness.time_copy(count)}


def multiply_adds(shape) -> int:
    """Of the definition: without what tiles compute twice at their borders."""
    pixels = shape["batch"] * shape["height"] * shape["width"]
    ph, pw = shape["height"] // shape["rows"], shape["width"] // shape["columns"]
    halo = (ph + 2) * (pw + 2) / (ph * pw)
    channels, hidden = reference.input_channels(shape), shape["hidden"]
    per_pixel = hidden * (channels * halo + 9 + shape["filters"])
    patches = shape["batch"] * shape["rows"] * shape["columns"]
    return int(pixels * per_pixel + patches * shape["units"] * shape["depth"])


def sweep_tilings(harness, kind, shape, inputs):
    """The fastest ten tilings of the second kernel, and the chosen one."""
    times = []
    for height in (2, 4, 8, 16):
        for hidden in (4, 8, 12, 16, 24, 34):
            for threads in (64, 96, 128, 192, 256):
                for wide in ((0, 0), (0, 1), (1, 0), (1, 1)):
                    tiling = (height, 16, hidden, threads, *wide)
                    try:
                        took = harness.time_plan(kind, shape, inputs, tiling)
                    except RuntimeError:
                        continue  # too much shared memory
                    times.append((took, tiling))
    chosen = harness.plan(shape)[:6]
    own = harness.time_plan(kind, shape, inputs, chosen)
    print(f"sweep {kind}: chosen {chosen} {own:.1f} us; fastest:")
    for took, tiling in sorted(times)[:10]:
        print(f"  {took:.1f} us {tiling}", flush=True)
    return {"chosen": [own, chosen], "fastest": sorted(times)[:10]}


def torch_level(shape, kind, inputs):
    """Microseconds and output of the level in eager PyTorch: unfold, grouped conv."""
    import torch
    from torch.nn import functional

    dtype = getattr(torch, kind)
    # Full float32 products, as the kernels compute them; TF32 would be another result.
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    if not torch.cuda.is_available():
        raise ImportError("PyTorch sees no GPU")
    feature, previous, signal, head, *shifts = (
        torch.tensor(value(i, kind).astype("float32")).cuda().to(dtype) for i in inputs
    )
    feature, previous = (
        t.permute(0, 3, 1, 2).contiguous() for t in (feature, previous)
    )
    batch, height, width = shape["batch"], shape["height"], shape["width"]
    grid = (shape["rows"], shape["columns"])
    ph, pw = height // grid[0], width // grid[1]
    channels, hidden = reference.input_channels(shape), shape["hidden"]
    count = batch * grid[0] * grid[1]
    place = reference.coordinates(height, width, lambda v: v).transpose(2, 0, 1)
    place = torch.tensor(place[None]).cuda().to(dtype).expand(batch, -1, -1, -1)
    kernel = head.reshape(shape["depth"], shape["groups"], -1)

    def level():
        used = signal[..., : shape["groups"] * shape["depth"]]
        used = used.reshape(count, shape["groups"], -1)
        theta = torch.einsum("ngd,dgu->ngu", used, kernel).reshape(count, -1)
        sizes = (hidden * channels, hidden * 9, shape["filters"] * hidden)
        expand, depthwise, project = theta.split(sizes, 1)
        up = functional.interpolate(previous, scale_factor=2, mode="bilinear")
        x = torch.cat([place, feature, up], 1)
        x = functional.pad(x, (1, 1, 1, 1), mode="reflect")
        x = x.unfold(2, ph + 2, ph).unfold(3, pw + 2, pw)
        x = x.permute(0, 2, 3, 1, 4, 5).reshape(1, count * channels, ph + 2, pw + 2)
        x = functional.conv2d(
            x, expand.reshape(count * hidden, channels, 1, 1), groups=count
        )
        x = functional.relu6(x + shifts[0].repeat(count)[None, :, None, None])
        x = functional.conv2d(
            x, depthwise.reshape(count * hidden, 1, 3, 3), groups=count * hidden
        )
        x = functional.relu6(x + shifts[1].repeat(count)[None, :, None, None])
        x = functional.conv2d(x, project.reshape(-1, hidden, 1, 1), groups=count)
        x = x + shifts[2].repeat(count)[None, :, None, None]
        x = x.reshape(batch, *grid, shape["filters"], ph, pw)
        x = x.permute(0, 3, 1, 4, 2, 5)
        return x.reshape(batch, shape["filters"], height, width)

    with torch.inference_mode():
        output = level().permute(0, 2, 3, 1).float().cpu().numpy()
        times = []
        for _ in range(12):
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            for _ in range(5):
                level()
            end.record()
            end.synchronize()
            times.append(begin.elapsed_time(end) * 200)
    return statistics.median(times[2:]), output


def jax_level(shape, kind, inputs):
    """Microseconds and output of the level in the einsum formulation, by XLA."""
    import jax
    from jax import numpy as jnp

    if jax.default_backend() != "gpu":
        raise ImportError("JAX sees no GPU")
    dtype = getattr(jnp, kind)
    arrays = [jnp.asarray(value(i, kind).astype("float32"), dtype) for i in inputs]
    batch, height, width = shape["batch"], shape["height"], shape["width"]
    rows, columns = shape["rows"], shape["columns"]
    ph, pw = height // rows, width // columns
    channels, hidden = reference.input_channels(shape), shape["hidden"]
    count = batch * rows * columns
    place = jnp.asarray(reference.coordinates(height, width, lambda v: v), dtype)
    place = jnp.broadcast_to(place, (batch, height, width, 2))

    def level(feature, previous, signal, head, *shifts):
        used = signal[..., : shape["groups"] * shape["depth"]]
        used = used.reshape(count, shape["groups"], -1)
        kernel = head.reshape(shape["depth"], shape["groups"], -1)
        theta = jnp.einsum("ngd,dgu->ngu", used, kernel).reshape(count, -1)
        ends = (hidden * channels, hidden * channels + hidden * 9)
        expand, depthwise, project = jnp.split(theta, ends, 1)
        up = jax.image.resize(
            previous, (batch, height, width, previous.shape[-1]), "bilinear"
        )
        x = jnp.concatenate([place, feature, up], -1)
        x = jnp.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)], "reflect")
        y = (jnp.arange(rows) * ph)[:, None] + jnp.arange(ph + 2)
        z = (jnp.arange(columns) * pw)[:, None] + jnp.arange(pw + 2)
        x = x[:, y][:, :, :, z].transpose(0, 1, 3, 2, 4, 5)
        x = x.reshape(count, ph + 2, pw + 2, channels)
        x = jnp.einsum("nrsc,noc->nrso", x, expand.reshape(count, hidden, channels))
        x = jnp.clip(x + shifts[0], 0, 6)
        taps = [x[:, i : i + ph, j : j + pw] for i in range(3) for j in range(3)]
        depthwise = depthwise.reshape(count, hidden, 9)
        x = jnp.einsum("nrstc,nct->nrsc", jnp.stack(taps, 3), depthwise)
        x = jnp.clip(x + shifts[1], 0, 6)
        project = project.reshape(count, shape["filters"], hidden)
        x = jnp.einsum("nrsc,noc->nrso", x, project) + shifts[2]
        x = x.reshape(batch, rows, columns, ph, pw, -1).transpose(0, 1, 3, 2, 4, 5)
        return x.reshape(batch, height, width, -1)

    with jax.default_matmul_precision("highest"):
        run = jax.jit(level).lower(*arrays).compile()
    output = np.asarray(run(*arrays), "float32")
    times = []
    for _ in range(12):
        start = time.perf_counter()
        for _ in range(10):
            result = run(*arrays)
        result.block_until_ready()
        times.append((time.perf_counter() - start) * 1e5)
    return statistics.median(times[2:]), output


def report(times):
    """One row per type and batch."""
    print(
        f"\ncopy bandwidth {times['copy_tb_s']:.2f} TB/s, read and written; level of "
        "HyperSeg-M at stride 2: 256x512, 16x32 patches, 34 -> 68 -> 19, 3x3"
    )
    print("microseconds of a call, warm; floor: a copy of the same bytes")
    head = ("batch", "type", "floor", "ours", "TFLOP/s", "torch", "x", "jax", "x")
    print("".join(f"{name:>10}" for name in head))
    for row in times["rows"]:
        cells = [row["batch"], row["type"], f"{row['copy_us']:.1f}"]
        cells += [f"{row['ours_us']:.1f}", f"{1e3 * row['gflop'] / row['ours_us']:.1f}"]
        for name in ("torch", "jax"):
            took = row.get(f"{name}_us")
            cells += [f"{took:.1f}", f"{took / row['ours_us']:.2f}"] if took else "--"
        print("".join(f"{cell:>10}" for cell in cells))


if __name__ == "__main__":
    sys.exit(main())
