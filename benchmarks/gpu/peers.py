"""The level that is timed, in PyTorch and in JAX, where these are installed.

Both return the median time of a call in microseconds, and the output. They raise
ImportError where they have no GPU.
"""

import statistics
import time

import numpy as np

from benchmarks.gpu import reference
from benchmarks.gpu.storage import value


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
