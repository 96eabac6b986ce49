"""The finest level of HyperSeg-M, timed beside a copy, PyTorch and JAX."""

import numpy as np

from benchmarks.gpu.peers import jax_level, torch_level
from benchmarks.gpu.shapes import block_inputs, finest_level, multiply_adds
from benchmarks.gpu.storage import TYPES, value


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
