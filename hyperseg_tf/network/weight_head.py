"""From the signal to the weights of the dynamic convolutions (Section 3.2, Eq. 3)."""

import keras
import numpy as np
from keras import ops

from hyperseg_tf.ops.generate import generate


@keras.saving.register_keras_serializable("hyperseg_tf")
class WeightHead(keras.layers.Layer):
    """Turn a slice of the signal into the weights of one or several blocks.

    A grouped 1x1 projection without bias: slice g of the signal makes slice g of the
    weights. `units` is rounded up to a multiple of the groups for the kernel, and the
    surplus is cut from the output.

    Args:
        units: Weights per patch, P.
        groups: Number of independent slices; divides `channels`.
        offset: First channel of the signal to read.
        channels: Number of channels to read.
        fan_ins: Pairs (number of weights, fan-in of the convolution they are for), in
            the order of the output; the initial kernel gives each of them the variance
            2 / fan-in for a signal of mean square 1/2. None counts all as fan-in 1.

    Shapes:
        signal: (B, h, w, C), one vector per cell of the patch grid.
        returns: (B, h, w, units); called with `return_kernel=True` also the kernel,
            (channels / groups, padded units), from which a level can make the weights
            itself.

    Raises:
        ValueError: If `groups` does not divide `channels`, or the slice leaves the
            signal.
    """

    def __init__(self, units, groups, offset, channels, fan_ins=None, **kwargs):
        super().__init__(**kwargs)
        if channels % groups:
            raise ValueError(f"groups={groups} must divide channels={channels}.")
        self.units = units
        self.groups = groups
        self.offset = offset
        self.channels = channels
        self.fan_ins = fan_ins

    @property
    def padded_units(self) -> int:
        """`units` rounded up to a multiple of the groups."""
        return -(-self.units // self.groups) * self.groups

    def build(self, signal_shape):
        if self.offset + self.channels > signal_shape[-1]:
            raise ValueError(
                f"channels {self.offset} to {self.offset + self.channels} are not in a "
                f"signal of {signal_shape[-1]} channels."
            )
        # One row per input of one group.
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.channels // self.groups, self.padded_units),
            initializer=HyperFanIn(self.fan_ins),
        )

    def call(self, signal, return_kernel=False):
        kernel = ops.cast(self.kernel, self.compute_dtype)
        weights = generate(signal, kernel, self.groups, self.offset)[..., : self.units]
        return (weights, kernel) if return_kernel else weights

    def compute_output_spec(self, signal, return_kernel=False):
        shape = (*signal.shape[:-1], self.units)
        weights = keras.KerasTensor(shape, self.compute_dtype)
        if not return_kernel:
            return weights
        shape = (self.channels // self.groups, self.padded_units)
        return weights, keras.KerasTensor(shape, self.compute_dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "groups": self.groups,
            "offset": self.offset,
            "channels": self.channels,
            "fan_ins": self.fan_ins,
        }


@keras.saving.register_keras_serializable("hyperseg_tf")
class HyperFanIn(keras.initializers.Initializer):
    """Normal values that give the *generated* weights the variance 2 / fan-in.

    Args:
        fan_ins: Pairs (number of columns, fan-in) from the first column on.
        seed: Seed of the draw; None for the global one.
    """

    def __init__(self, fan_ins=None, seed=None):
        self.fan_ins = fan_ins
        self.seed = seed
        self._normal = keras.initializers.RandomNormal(stddev=1.0, seed=seed)

    def __call__(self, shape, dtype=None):
        rows, columns = shape
        fan_in = np.ones(columns, "float32")
        start = 0
        for count, size in self.fan_ins or ():
            fan_in[start : start + count] = size
            start += count
        # The signal's mean square of 1/2 (a rectified unit normal) gives the other 2.
        deviation = np.sqrt(2.0 * 2.0 / (rows * fan_in))
        return self._normal(shape, dtype) * ops.cast(deviation, dtype or "float32")

    def get_config(self):
        return {"fan_ins": self.fan_ins, "seed": self.seed}
