"""The decoder: levels that fuse a feature with the previous output (Section 3.2).

A level is one pure function of tensors (`Block`), so that XLA can compile it whole and
every implementation runs the same code; the layer around it only holds variables.
"""

import math

import keras
from keras import ops

from hyperseg_tf.network.batch_norm import BatchNorm, normalise, normalise_batch
from hyperseg_tf.network.layout import block_kernels
from hyperseg_tf.ops import choice, patches, resize
from hyperseg_tf.presets import HALOS


def coordinates(height, width, dtype="float32"):
    """Pixel coordinates x and y from -1 to 1 inclusive: (1, H, W, 2)."""

    def axis(size):
        steps = ops.cast(ops.arange(size), "float32")
        last = ops.cast(size, "float32") - 1.0
        # A single pixel lies in the middle.
        return (2.0 * steps - last) / ops.maximum(last, 1.0)

    grid_shape = (1, height, width, 1)
    x = ops.broadcast_to(ops.reshape(axis(width), (1, 1, width, 1)), grid_shape)
    y = ops.broadcast_to(ops.reshape(axis(height), (1, height, 1, 1)), grid_shape)
    return ops.cast(ops.concatenate([x, y], axis=-1), dtype)


def fuse(feature, previous=None, positions=True, compiled=False):
    """Concatenate coordinates, a feature and the upsampled output of the level before.

    Args:
        feature: (B, H, W, C).
        previous: (B, H/2, W/2, C') or None.
        positions: Whether the coordinates come first.
        compiled: Whether XLA compiles this.

    Returns:
        (B, H, W, 2 + C + C').
    """
    batch, height, width = ops.shape(feature)[:3]
    parts = [feature]
    if positions:
        place = coordinates(height, width, feature.dtype)
        parts.insert(0, ops.broadcast_to(place, (batch, height, width, 2)))
    if previous is not None:
        parts.append(resize.upsample(previous, portable=compiled))
    return ops.concatenate(parts, axis=-1)


class Block:
    """The arithmetic of one level, without variables.

    Args:
        filters: Output channels.
        kernel_size: 1 for a pointwise block, else an inverted residual.
        expand_ratio: Hidden channels over input channels.
        halo: "patch" or "neighbour"; see `Preset.halo`.
        padding: What lies outside the map.
        positions: Whether coordinates are concatenated.
        epsilon: Of the batch normalizations.
        implementation: A resolved name of `ops.choice`.
        compiled: Whether the whole block is compiled by XLA from outside.
    """

    def __init__(
        self,
        filters,
        kernel_size,
        expand_ratio,
        halo,
        padding,
        positions,
        epsilon,
        implementation,
        compiled=False,
    ):
        self.filters = filters
        self.kernel_size = kernel_size
        self.expand_ratio = expand_ratio
        self.halo = halo
        self.padding = padding
        self.positions = positions
        self.epsilon = epsilon
        self.ops = choice.primitives(implementation)
        self.staged = implementation == "fused"
        implementation = "xla" if self.staged else implementation
        self.compiled = compiled or implementation == "xla"
        self.gather = choice.compile_if(implementation, self._gather)

    def __call__(self, feature, previous, weights, norms, training):
        """Run the level.

        Args:
            feature: (B, H, W, C).
            previous: (B, H/2, W/2, C') or None.
            weights: (B, h, w, P).
            norms: Per convolution either (bias,) or (gamma, beta, mean, variance).
            training: Use batch statistics.

        Returns:
            (B, H, W, filters), and per convolution (mean, unbiased variance) of the
            batch, an empty list unless training.
        """
        norm = _Norms(norms, self.epsilon, training)
        x = self.gather(feature, previous, weights)
        run = self._pointwise if self.kernel_size == 1 else self._inverted_residual
        y = run(x, weights, norm, ops.shape(feature)[0])
        if self.kernel_size > 1 and x.shape[-1] == self.filters:
            y = y + fuse(feature, previous, self.positions, self.compiled)
        return y, norm.statistics

    def _gather(self, feature, previous, weights):
        """Fuse the inputs and cut them into the patches that the weights are for."""
        x, halo = fuse(feature, previous, self.positions, self.compiled), 0
        if self.kernel_size > 1 and self.halo == "patch":
            halo = (self.kernel_size - 1) // 2
        x = patches.pad(x, halo, self.padding)
        return patches.cut(x, ops.shape(weights)[1:3], halo)

    def _pointwise(self, x, weights, norm, batch):
        (kernel,) = patches.split_weights(weights, (self.filters, x.shape[-1]))
        y = ops.relu(norm(self.ops.pointwise(x, kernel)))
        return patches.join(y, ops.shape(weights)[1:3], batch)

    def _inverted_residual(self, x, weights, norm, batch):
        hidden = self.expand_ratio * x.shape[-1]
        expand, depthwise, project = patches.split_weights(
            weights,
            (hidden, x.shape[-1]),
            (hidden, self.kernel_size, self.kernel_size),
            (self.filters, hidden),
        )
        grid = ops.shape(weights)[1:3]
        # With halo="patch" the pixels around a patch go through its own expansion, as
        # in the published Cityscapes and CamVid models.
        y = self.ops.pointwise(x, expand)
        if self.halo == "neighbour":
            halo = (self.kernel_size - 1) // 2
            y = ops.relu6(norm(y))
            y = patches.pad(patches.join(y, grid, batch), halo, self.padding)
            y = self.ops.depthwise(patches.cut(y, grid, halo), depthwise)
        else:
            y = self._stage(y, norm, depthwise, self.ops.depthwise)
        y = norm(self._stage(y, norm, project, self.ops.pointwise))
        return patches.join(y, grid, batch)

    def _stage(self, x, norm, kernels, convolve):
        """Normalise, ReLU6, convolve: in one kernel where there is one."""
        if self.staged and norm.training and x.dtype == "float32":
            return norm.stage(x, kernels)
        return convolve(ops.relu6(norm(x)), kernels)


class _Norms:
    """The normalizations of a block in the order they are used."""

    def __init__(self, norms, epsilon, training):
        self._values = iter(norms)
        self._epsilon = epsilon
        self.training = training
        self.statistics = []

    def __call__(self, x):
        values = next(self._values)
        if len(values) == 1:
            return x + ops.cast(values[0], x.dtype)
        gamma, beta, mean, variance = values
        if not self.training:
            return normalise(x, gamma, beta, mean, variance, self._epsilon)
        y, *statistics = normalise_batch(x, gamma, beta, self._epsilon)
        self.statistics.append(statistics)
        return y

    def stage(self, x, kernels):
        """The normalization, ReLU6 and a convolution (N, O, C) or (N, C, k, k)."""
        from hyperseg_tf.ops import fused

        gamma, beta, *_ = next(self._values)
        _, filters, *rest = kernels.shape
        kernel_size = rest[-1] if len(rest) == 2 else 1
        flat = ops.reshape(kernels, (-1, math.prod(kernels.shape[1:])))
        y, *statistics = fused.stage(
            x, gamma, beta, flat, filters, kernel_size, self._epsilon
        )
        self.statistics.append(statistics)
        return y


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
        expand_ratio: Hidden channels over input channels.
        halo: "patch" or "neighbour"; see `Preset.halo`.
        padding: What lies outside the map.
        positions: Concatenate coordinates first.
        folded: Biases in place of batch normalizations.
        implementation: "auto", "einsum", "slices", "xla" or "fused".

    Attributes:
        head: The `WeightHead` that makes the weights; called with `signal=` too, the
            fused kernel makes them itself.

    Shapes:
        feature: (B, H, W, C).
        previous: (B, H/2, W/2, C').
        weights: (B, h, w, P); h and w divide H and W.
        signal: (B, h, w, S), what the weights were made from; may be left out.
        returns: (B, H, W, filters).

    Source: Sections 3.2 and 3.3, Fig. 3.
    """

    def __init__(
        self,
        filters,
        kernel_size=1,
        start=0,
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
        self.expand_ratio = expand_ratio
        self.halo = halo
        self.padding = padding
        self.positions = positions
        self.folded = folded
        self.implementation = choice.check(implementation)
        self.norms = []
        self.biases = []
        self._run = {}
        self._head = lambda: None

    @property
    def head(self):
        """See the class."""
        return self._head()

    @head.setter
    def head(self, layer):
        # Hidden from Keras: the level does not own its variables.
        self._head = lambda: layer

    def build(self, inputs_shape, signal_shape=None):
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
                norm = BatchNorm(momentum=0.9, epsilon=1e-5, name=f"bn{i + 1}")
                norm.build((None, None, None, filters))
                self.norms.append(norm)

    def call(self, inputs, signal=None, training=None):
        feature, *previous, weights = inputs
        training = bool(training) and self.trainable and not self.folded
        previous = previous[0] if previous else None
        if not training and choice.resolve(self.implementation) == "fused":
            return self._fused(feature, previous, weights, signal)
        weights = weights[..., self.start : self.start + self.size]
        run = self._runner(training)
        y, statistics = run(feature, previous, weights, self._values())
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

    def _runner(self, training):
        if training not in self._run:
            implementation = choice.resolve(self.implementation, training)
            if implementation == "fused" and (not training or choice.no_stages()):
                implementation = "xla"
            # Inference is compiled whole; training picks the best kernel per step.
            whole = implementation == "xla" and not training
            block = Block(
                self.filters,
                self.kernel_size,
                self.expand_ratio,
                self.halo,
                self.padding,
                self.positions,
                1e-5,
                "slices" if whole else implementation,
                compiled=whole,
            )

            def run(feature, previous, weights, norms):
                return block(feature, previous, weights, norms, training)

            self._run[training] = choice.compile_if("xla", run) if whole else run
        return self._run[training]

    def _fused(self, feature, previous, weights, signal):
        """Inference in one kernel; scales go into the weights, as in folding."""
        from hyperseg_tf.ops import fused

        scale, shifts = self._affine()
        options = {"start": self.start}
        if signal is None or self.head is None:
            signal, kernel = weights, None
        else:
            kernel = ops.convert_to_tensor(self.head.kernel)
            options["groups"] = self.head.groups
            options["offset"] = self.head.offset
        if scale is not None:
            values = signal if kernel is None else kernel
            rest = values.shape[-1] - self.start - self.size
            scale = ops.pad(scale, [[self.start, rest]], constant_values=1.0)
            values = values * ops.cast(scale, values.dtype)
            signal, kernel = (values, None) if kernel is None else (signal, values)
        return fused.block(
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

    def compute_output_shape(self, inputs_shape, signal_shape=None):
        return (*inputs_shape[0][:-1], self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "start": self.start,
            "expand_ratio": self.expand_ratio,
            "halo": self.halo,
            "padding": self.padding,
            "positions": self.positions,
            "folded": self.folded,
            "implementation": self.implementation,
        }
