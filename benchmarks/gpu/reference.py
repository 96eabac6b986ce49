"""What the kernels compute, in plain NumPy and double precision: a specification.

Written from the mathematics, patch by patch; it shares no code with the kernels. Inputs
are the values that the device reads, already rounded to their type; sums are double.
"""

import numpy as np

MODES = ("reflect", "edge", "wrap", "constant")  # in the order of dpw::Padding


def places(size: int, halo: int, padding: int):
    """For each place of a padded axis the pixel that it shows, -1 for a zero."""
    pixels = np.arange(size)
    if MODES[padding] == "constant":
        return np.pad(pixels, halo, "constant", constant_values=-1)
    return np.pad(pixels, halo, MODES[padding])


def padded(x, halo: int, padding: int):
    """(H, W, C) -> (H + 2 halo, W + 2 halo, C)."""
    rows = places(x.shape[0], halo, padding)
    columns = places(x.shape[1], halo, padding)
    y = x[rows][:, columns]
    y[rows < 0] = 0
    y[:, columns < 0] = 0
    return y


def upsampled(x):
    """Bilinear, half-pixel centres, twice the size: (H, W, C) -> (2H, 2W, C)."""
    for axis in (0, 1):
        before = np.concatenate([x.take([0], axis), x], axis).take(
            range(x.shape[axis]), axis
        )
        after = np.concatenate([x, x.take([-1], axis)], axis).take(
            range(1, x.shape[axis] + 1), axis
        )
        even, odd = 0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after
        shape = list(x.shape)
        shape[axis] *= 2
        x = np.stack([even, odd], axis + 1).reshape(shape)
    return x


def coordinates(height: int, width: int, round_to):
    """(H, W, 2): x and y from -1 to 1, rounded as they are stored."""

    def axis(size):
        steps = np.arange(size, dtype="float32")
        last = np.float32(size - 1)
        return round_to((2 * steps - last) / max(last, np.float32(1)))

    x, y = np.meshgrid(axis(width), axis(height))
    return np.stack([x, y], -1).astype("float64")


def generated(shape, signal, head):
    """(h, w, weights) of one image: the weights that the level reads."""
    if not shape["groups"]:
        weights = signal
    else:
        groups, depth = shape["groups"], shape["depth"]
        used = signal[..., shape["offset"] : shape["offset"] + groups * depth]
        used = used.reshape(*used.shape[:2], groups, depth)
        kernel = head.reshape(depth, groups, -1)
        weights = np.einsum("ijgd,dgu->ijgu", used, kernel)
        weights = weights.reshape(*signal.shape[:2], -1)
    channels = input_channels(shape)
    hidden, filters = shape["hidden"], shape["filters"]
    size = filters * channels
    if hidden:
        size = hidden * (channels + shape["kernel"] ** 2 + filters)
    return weights[..., shape["start"] : shape["start"] + size]


def input_channels(shape) -> int:
    """Channels of the fused input."""
    return 2 * shape["positions"] + shape["feature"] + shape["previous"]


def block(shape, inputs, round_to):
    """(B, H, W, filters) of one decoder level; `inputs` as harness.cu takes them."""
    feature, previous, signal, head, *shifts = inputs
    return np.stack(
        [
            _block(shape, feature[b], previous[b], signal[b], head, shifts, round_to)
            for b in range(shape["batch"])
        ]
    )


def _block(shape, feature, previous, signal, head, shifts, round_to):
    height, width, kernel = shape["height"], shape["width"], shape["kernel"]
    hidden, filters, halo = shape["hidden"], shape["filters"], (kernel - 1) // 2
    parts = [feature]
    if shape["positions"]:
        parts.insert(0, coordinates(height, width, round_to))
    if shape["previous"]:
        parts.append(upsampled(previous))
    x = np.concatenate(parts, -1)
    channels = x.shape[-1]
    theta = generated(shape, signal, head)
    ph, pw = height // shape["rows"], width // shape["columns"]
    y = np.empty((height, width, filters))
    cells = [(i, j) for i in range(shape["rows"]) for j in range(shape["columns"])]
    if not hidden:
        for i, j in cells:
            own = np.s_[i * ph : (i + 1) * ph, j * pw : (j + 1) * pw]
            y[own] = x[own] @ theta[i, j].reshape(filters, channels).T + shifts[2]
        return np.maximum(y, 0)

    def relu6(values):
        return np.clip(values, 0, 6)

    ends = np.cumsum([hidden * channels, hidden * kernel**2])
    split = {cell: np.split(theta[cell], ends) for cell in cells}
    expand = {cell: split[cell][0].reshape(hidden, channels).T for cell in cells}
    if shape["neighbour"]:
        everything = np.empty((height, width, hidden))
        for i, j in cells:
            own = np.s_[i * ph : (i + 1) * ph, j * pw : (j + 1) * pw]
            everything[own] = relu6(x[own] @ expand[i, j] + shifts[0])
        source = padded(everything, halo, shape["padding"])
    else:
        source = padded(x, halo, shape["padding"])
    for i, j in cells:
        window = source[i * ph : (i + 1) * ph + 2 * halo]
        window = window[:, j * pw : (j + 1) * pw + 2 * halo]
        if not shape["neighbour"]:
            window = relu6(window @ expand[i, j] + shifts[0])
        taps = split[i, j][1].reshape(hidden, kernel, kernel)
        filtered = sum(
            window[a : a + ph, b : b + pw] * taps[:, a, b]
            for a in range(kernel)
            for b in range(kernel)
        )
        project = split[i, j][2].reshape(filters, hidden).T
        own = np.s_[i * ph : (i + 1) * ph, j * pw : (j + 1) * pw]
        y[own] = relu6(filtered + shifts[1]) @ project + shifts[2]
    return y + x if channels == filters else y


def conv(shape, x, weights, upstream):
    """Output, gradient of x and gradient of the weights of a dynamic convolution."""
    kernel, groups, filters = shape["kernel"], shape["groups"], shape["filters"]
    channels, halo = shape["channels"], (kernel - 1) // 2
    depth, each = channels // groups, filters // groups
    height, width = shape["height"], shape["width"]
    ph, pw = height // shape["rows"], width // shape["columns"]
    rows, columns = (places(size, halo, shape["padding"]) for size in (height, width))
    y, dx = np.zeros(upstream.shape), np.zeros(x.shape)
    dw = np.zeros(weights.shape)
    for b in range(shape["batch"]):
        source = padded(x[b], halo, shape["padding"])
        gradient = np.zeros(source.shape)
        for i in range(shape["rows"]):
            for j in range(shape["columns"]):
                own = np.s_[i * ph : (i + 1) * ph, j * pw : (j + 1) * pw]
                theta = weights[b, i, j].reshape(groups, each, depth, kernel, kernel)
                slot = dw[b, i, j].reshape(groups, each, depth, kernel, kernel)
                up = upstream[b][own].reshape(ph, pw, groups, each)
                for a in range(kernel):
                    for c in range(kernel):
                        place = np.s_[
                            i * ph + a : (i + 1) * ph + a, j * pw + c : (j + 1) * pw + c
                        ]
                        tap = source[place].reshape(ph, pw, groups, depth)
                        part = theta[..., a, c]
                        y[b][own] += np.einsum("yxgd,god->yxgo", tap, part).reshape(
                            ph, pw, filters
                        )
                        slot[..., a, c] += np.einsum("yxgo,yxgd->god", up, tap)
                        gradient[place] += np.einsum(
                            "yxgo,god->yxgd", up, part
                        ).reshape(ph, pw, channels)
        for py, row in enumerate(rows):
            for px, column in enumerate(columns):
                if row >= 0 and column >= 0:
                    dx[b, row, column] += gradient[py, px]
    return y, dx, dw
