"""The decoder: levels that fuse a feature with the previous output (Section 3.2).

The arithmetic is in `ops.block`; the layer holds the variables and chooses the path.
"""

import math

import keras
from keras import ops

from hyperseg_tf.network.batch_norm import NORM, BatchNorm
from hyperseg_tf.ops import choice
from hyperseg_tf.ops.block import Block, block_kernels
from hyperseg_tf.presets import HALOS


@keras.saving.register_keras_serializable("hyperseg_tf")
class Level(keras.layers.Layer):
    """One decoder level: `level([feature, previous, weights])`, no previous at level 0.

    Kernel 1: dynamic pointwise convolution, batch normalization, ReLU. Else a dynamic
    inverted residual: pointwise, BN, ReLU6, depthwise, BN, ReLU6, pointwise, BN, and
    the input added where the channels agree.

    Args:
        filters: Output channels.
        kernel_size: 1 or the odd side of the depthwise kernel.
        start: First of this level's weights in the last axis of `weights`.
        groups: Groups of the weight head that made `weights`; read with `kernel`.
        offset: First channel of the signal that it reads; read with `kernel`.
        expand_ratio: Hidden channels over input channels.
        halo: "patch" or "neighbour"; see `Preset.halo`.
        padding: What lies outside the map.
        positions: Concatenate coordinates first.
        folded: Biases in place of batch normalizations.
        implementation: "auto", "einsum", "slices", "xla" or "fused".

    Shapes:
        feature: (B, H, W, C).
        previous: (B, H/2, W/2, C').
        weights: (B, h, w, P); h and w divide H and W.
        signal: (B, h, w, S), and
        kernel: (depth, units), what the weights were made from (`WeightHead` with
            `return_kernel=True`). May be left out; with both, one op makes the weights
            and uses them where there is such an op, and `weights` is not read.
        returns: (B, H, W, filters).

    Source: Sections 3.2 and 3.3, Fig. 3.
    """

    def __init__(
        self,
        filters,
        kernel_size=1,
        start=0,
        groups=1,
        offset=0,
        expand_ratio=2,
        halo="patch",
        padding="reflect",
        positions=True,
        folded=False,
        implementation="auto",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if halo not in HALOS:
            raise ValueError(f"halo must be one of {HALOS}: got {halo!r}.")
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd: got {kernel_size}.")
        self.filters = filters
        self.kernel_size = kernel_size
        self.start = start
        self.groups = groups
        self.offset = offset
        self.expand_ratio = expand_ratio
        self.halo = halo
        self.padding = padding
        self.positions = positions
        self.folded = folded
        self.implementation = choice.check(implementation)
        self.norms = []
        self.biases = []
        self._blocks = {}

    def build(self, inputs_shape, signal_shape=None, kernel_shape=None):
        *maps, weights = inputs_shape
        channels = sum(shape[-1] for shape in maps) + (2 if self.positions else 0)
        self.hidden = self.expand_ratio * channels if self.kernel_size > 1 else 0
        self.kernels = block_kernels(
            channels, self.hidden, self.filters, self.kernel_size
        )
        self.size = sum(math.prod(shape) for shape in self.kernels)
        if self.start + self.size > weights[-1]:
            raise ValueError(
                f"{self.name} needs weights {self.start} to {self.start + self.size} "
                f"of each patch: got {weights[-1]}."
            )
        for i, (filters, *_) in enumerate(self.kernels):
            if self.folded:
                self.biases.append(
                    self.add_weight(
                        name=f"bias{i + 1}", shape=(filters,), initializer="zeros"
                    )
                )
            else:
                norm = BatchNorm(**NORM, name=f"bn{i + 1}")
                norm.build((None, None, None, filters))
                self.norms.append(norm)

    def call(self, inputs, signal=None, kernel=None, training=None):
        feature, *previous, weights = inputs
        previous = previous[0] if previous else None
        training = bool(training) and self.trainable and not self.folded
        path = choice.level_path(self.implementation, training, self.compute_dtype)
        if path.block is not None:
            return self._as_one_op(path, feature, previous, weights, signal, kernel)
        weights = weights[..., self.start : self.start + self.size]
        y, statistics = self._block(path)(feature, previous, weights, self._values())
        for norm, (mean, variance) in zip(self.norms, statistics, strict=False):
            norm.update(mean, variance)
        return y

    def _values(self):
        if self.folded:
            return [(bias,) for bias in self.biases]
        return [
            (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance)
            for norm in self.norms
        ]

    def _block(self, path):
        # Kept, as its compiled functions are.
        if path not in self._blocks:
            self._blocks[path] = Block(
                self.filters,
                self.kernel_size,
                self.expand_ratio,
                self.halo,
                self.padding,
                self.positions,
                NORM["epsilon"],
                path,
            )
        return self._blocks[path]

    def _as_one_op(self, path, feature, previous, weights, signal, kernel):
        """Inference in one kernel; scales go into the weights, as in folding."""
        scale, shifts = self._affine()
        options = {"start": self.start}
        if signal is None or kernel is None:
            signal, kernel = weights, None
        else:
            options |= {"groups": self.groups, "offset": self.offset}
        if scale is not None:
            values = signal if kernel is None else kernel
            rest = values.shape[-1] - self.start - self.size
            scale = ops.pad(scale, [[self.start, rest]], constant_values=1.0)
            values = values * ops.cast(scale, values.dtype)
            signal, kernel = (values, None) if kernel is None else (signal, values)
        return path.block(
            feature,
            previous,
            signal,
            kernel,
            shifts,
            filters=self.filters,
            hidden=self.hidden,
            kernel_size=self.kernel_size,
            positions=self.positions,
            halo=self.halo,
            padding=self.padding,
            **options,
        )

    def _affine(self):
        """One scale per weight, None if folded, and one shift per channel."""
        if self.folded:
            return None, self.biases
        scales, shifts = [], []
        for norm, shape in zip(self.norms, self.kernels, strict=True):
            scale = norm.gamma * ops.rsqrt(norm.moving_variance + norm.epsilon)
            scales.append(ops.repeat(scale, math.prod(shape[1:])))
            shifts.append(norm.beta - norm.moving_mean * scale)
        return ops.concatenate(scales), shifts

    def compute_output_shape(self, inputs_shape, signal_shape=None, kernel_shape=None):
        return (*inputs_shape[0][:-1], self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "start": self.start,
            "groups": self.groups,
            "offset": self.offset,
            "expand_ratio": self.expand_ratio,
            "halo": self.halo,
            "padding": self.padding,
            "positions": self.positions,
            "folded": self.folded,
            "implementation": self.implementation,
        }
