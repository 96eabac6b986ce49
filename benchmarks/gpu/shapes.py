"""Sizes of levels and convolutions, random and published, and arrays for them."""

from benchmarks.gpu import reference
from benchmarks.gpu.storage import store


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


def multiply_adds(shape) -> int:
    """Of the definition: without what tiles compute twice at their borders."""
    pixels = shape["batch"] * shape["height"] * shape["width"]
    ph, pw = shape["height"] // shape["rows"], shape["width"] // shape["columns"]
    halo = (ph + 2) * (pw + 2) / (ph * pw)
    channels, hidden = reference.input_channels(shape), shape["hidden"]
    per_pixel = hidden * (channels * halo + 9 + shape["filters"])
    patches = shape["batch"] * shape["rows"] * shape["columns"]
    return int(pixels * per_pixel + patches * shape["units"] * shape["depth"])
