"""Padding a map, cutting it into the patches of a grid, and joining them again.

Pure data movement, shared by all implementations. No tensor here has more than five
dimensions (int8 TFLite refuses longer slices), and sizes may be unknown while a graph
is traced.
"""

from keras import ops

PADDINGS = ("reflect", "replicate", "circular", "zeros")


def pad(x, amount: int, mode: str):
    """Pad height and width of a map on all four sides.

    Args:
        x: (B, H, W, C).
        amount: Pixels on each side; "reflect" needs less than H and W pixels.
        mode: "reflect" (without the edge), "replicate" (the edge), "circular", "zeros".

    Returns:
        (B, H + 2 * amount, W + 2 * amount, C).
    """
    if mode not in PADDINGS:
        raise ValueError(f"padding must be one of {PADDINGS}: got {mode!r}.")
    if amount == 0:
        return x
    if mode in ("reflect", "zeros"):
        mode = "constant" if mode == "zeros" else mode
        return ops.pad(x, [[0, 0], [amount, amount], [amount, amount], [0, 0]], mode)
    if mode == "circular":
        x = ops.concatenate([x[:, -amount:], x, x[:, :amount]], axis=1)
        return ops.concatenate([x[:, :, -amount:], x, x[:, :, :amount]], axis=2)
    x = ops.concatenate([x[:, :1]] * amount + [x] + [x[:, -1:]] * amount, axis=1)
    return ops.concatenate(
        [x[:, :, :1]] * amount + [x] + [x[:, :, -1:]] * amount, axis=2
    )


def cut(x, grid, halo: int):
    """Cut a padded map into one patch per cell of the grid.

    Args:
        x: (B, H + 2 * halo, W + 2 * halo, C); h and w divide H and W.
        grid: (h, w), integers or scalar tensors.
        halo: Pixels around a patch that belong to its neighbours or the padding.

    Returns:
        (B * h * w, H/h + 2 * halo, W/w + 2 * halo, C).
    """
    rows, columns = grid
    batch, height, width = ops.shape(x)[:3]
    channels = x.shape[-1]
    patch_height = (height - 2 * halo) // rows
    patch_width = (width - 2 * halo) // columns
    x = _windows(x, rows, patch_height, halo, (batch, width * channels))
    # (B, h, ph + 2 halo, W * C): now the same along the width, per row of a patch.
    x = ops.reshape(x, (batch * rows * (patch_height + 2 * halo), width, channels))
    x = _windows(x, columns, patch_width, halo, (-1, channels))
    x = ops.reshape(
        x,
        (
            batch * rows,
            patch_height + 2 * halo,
            columns,
            (patch_width + 2 * halo) * channels,
        ),
    )
    x = ops.transpose(x, (0, 2, 1, 3))
    return ops.reshape(
        x,
        (
            batch * rows * columns,
            patch_height + 2 * halo,
            patch_width + 2 * halo,
            channels,
        ),
    )


def _windows(x, count, size, halo, ends):
    """Overlapping windows along axis 1 of x: (n, count, size + 2 * halo, rest)."""
    first, rest = ends
    length = count * size
    x = ops.reshape(x, (first, length + 2 * halo, rest))
    if halo == 0:
        return ops.reshape(x, (first, count, size, rest))
    body = ops.reshape(x[:, :length], (first, count, size, rest))
    if isinstance(size, int) and size >= 2 * halo:
        tail = ops.reshape(x[:, 2 * halo :], (first, count, size, rest))
        return ops.concatenate([body, tail[:, :, size - 2 * halo :]], axis=2)
    # Smaller windows share pixels with more than the next one, and an unknown size
    # may be smaller: pixel `size + i` of a window is pixel i of the next.
    parts = [body]
    for i in range(2 * halo):
        shifted = ops.reshape(x[:, i : i + length], (first, count, size, rest))
        last = ops.reshape(x[:, length + i : length + i + 1], (first, 1, 1, rest))
        parts.append(ops.concatenate([shifted[:, 1:, :1], last], axis=1))
    return ops.concatenate(parts, axis=2)


def join(patches, grid, batch):
    """Put patches together again.

    Args:
        patches: (B * h * w, ph, pw, C).
        grid: (h, w).
        batch: B.

    Returns:
        (B, h * ph, w * pw, C).
    """
    rows, columns = grid
    height, width = ops.shape(patches)[1:3]
    channels = patches.shape[-1]
    x = ops.reshape(patches, (batch * rows, columns, height, width * channels))
    x = ops.transpose(x, (0, 2, 1, 3))
    return ops.reshape(x, (batch, rows * height, columns * width, channels))


def split_weights(weights, *shapes):
    """Split generated weights (B, h, w, P) into kernels (B * h * w, *shape)."""
    sizes = []
    for shape in shapes:
        size = 1
        for side in shape:
            size *= side
        sizes.append(size)
    if sum(sizes) != weights.shape[-1]:
        raise ValueError(
            f"kernels of shapes {shapes} need {sum(sizes)} weights per patch: "
            f"got {weights.shape[-1]}."
        )
    weights = ops.reshape(weights, (-1, weights.shape[-1]))
    kernels, start = [], 0
    for shape, size in zip(shapes, sizes, strict=True):
        kernels.append(ops.reshape(weights[:, start : start + size], (-1, *shape)))
        start += size
    return kernels
