"""One set of random weights for every competitor, drawn from the released names.

Initial weights will not do: without trained statistics the signal halves from layer to
layer, ends below 1e-37, and what is timed is denormal arithmetic. And with the same
weights on both sides the outputs can be compared, so that equal work is a fact.
"""

import zlib

import numpy as np

# With these, features, signal and logits have deviations between 0.2 and 3.
_GAIN = 1.25
_GENERATED_GAIN = 1.0


def draw(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The entry `name` of the state dict, float32, always the same for one name.

    Args:
        name: Name in a released state dict.
        shape: Its shape there; convolution kernels are (out, in, rows, columns).
    """
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    values = rng.standard_normal(shape, np.float32)
    if name.endswith("running_var"):
        return 0.5 + 0.5 * np.abs(values)
    if name.endswith(("bias", "running_mean")):
        return 0.1 * values
    if len(shape) == 1:
        return 1 + 0.1 * values
    gain = _GENERATED_GAIN if "signal2weights" in name else _GAIN
    return values * np.float32(gain / np.sqrt(np.prod(shape[1:])))


def image(height: int, width: int) -> np.ndarray:
    """One normalised picture (1, H, W, 3) float32: blobs and noise."""
    rng = np.random.default_rng(0)
    blobs = rng.standard_normal((-(-height // 16), -(-width // 16), 3), np.float32)
    blobs = blobs.repeat(16, axis=0).repeat(16, axis=1)[:height, :width]
    return (blobs + 0.3 * rng.standard_normal(blobs.shape, np.float32))[None]


def assign(model) -> None:
    """Give a `HyperSeg` with the static padding of the release these weights."""
    from hyperseg_tf.convert.released import entries as released

    names = {entry.name: entry.released_shape for entry in released.entries(model)}
    released.assign(model, {name: draw(name, shape) for name, shape in names.items()})
