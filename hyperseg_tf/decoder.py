"""The decoder: levels that fuse a feature with the previous output (Section 3.2).

A level is one pure function of tensors (`_Block`), so that XLA can compile it whole
and every implementation runs the same code; the layer around it only holds variables.
"""

import keras
from keras import ops

from hyperseg_tf.batch_norm import BatchNorm, batch_moments, normalise
from hyperseg_tf.dpw_conv import HALOS
from hyperseg_tf.ops import choice, patches, resize


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


def fuse(feature, previous=None, positions=True):
    """Concatenate coordinates, a feature and the upsampled output of the level before.

    Args:
        feature: (B, H, W, C).
        previous: (B, H/2, W/2, C') or None.
        positions: Whether the coordinates come first.

    Returns:
        (B, H, W, 2 + C + C').
    """
    batch, height, width = ops.shape(feature)[:3]
    parts = [feature]
    if positions:
        place = coordinates(height, width, feature.dtype)
        parts.insert(0, ops.broadcast_to(place, (batch, height, width, 2)))
    if previous is not None:
        parts.append(resize.upsample(previous))
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
    ):
        self.filters = filters
        self.kernel_size = kernel_size
        self.expand_ratio = expand_ratio
        self.halo = halo
        self.padding = padding
        self.positions = positions
        self.epsilon = epsilon
        self.ops = choice.primitives(implementation)

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
        x = fuse(feature, previous, self.positions)
        statistics = []

        def norm(values):
            y, moments = self._norm(values, norms[len(steps)], training)
            steps.append(None)
            if moments is not None:
                statistics.append(moments)
            return y

        steps = []
        if self.kernel_size == 1:
            y = self._pointwise_block(x, weights, norm)
        else:
            y = self._inverted_residual(x, weights, norm)
        return y, statistics

    def _norm(self, x, values, training):
        if len(values) == 1:
            return x + ops.cast(values[0], x.dtype), None
        gamma, beta, mean, variance = values
        if not training:
            return normalise(x, gamma, beta, mean, variance, self.epsilon), None
        mean, variance, unbiased = batch_moments(x)
        y = normalise(x, gamma, beta, mean, variance, self.epsilon)
        return y, (mean, unbiased)

    def _pointwise_block(self, x, weights, norm):
        grid = ops.shape(weights)[1:3]
        (kernel,) = patches.split_weights(weights, (self.filters, x.shape[-1]))
        y = self.ops.pointwise(patches.cut(x, grid, 0), kernel)
        y = ops.relu(norm(y))
        return patches.join(y, grid, ops.shape(x)[0])

    def _inverted_residual(self, x, weights, norm):
        batch, grid = ops.shape(x)[0], ops.shape(weights)[1:3]
        channels, halo = x.shape[-1], (self.kernel_size - 1) // 2
        hidden = self.expand_ratio * channels
        expand, depthwise, project = patches.split_weights(
            weights,
            (hidden, channels),
            (hidden, self.kernel_size, self.kernel_size),
            (self.filters, hidden),
        )
        if self.halo == "patch":
            # The halo goes through this patch's own expansion, as in the published
            # Cityscapes and CamVid models; the neighbour's would change every seam.
            y = patches.cut(patches.pad(x, halo, self.padding), grid, halo)
            y = ops.relu6(norm(self.ops.pointwise(y, expand)))
        else:
            y = self.ops.pointwise(patches.cut(x, grid, 0), expand)
            y = patches.join(ops.relu6(norm(y)), grid, batch)
            y = patches.cut(patches.pad(y, halo, self.padding), grid, halo)
        y = ops.relu6(norm(self.ops.depthwise(y, depthwise)))
        y = norm(self.ops.pointwise(y, project))
        y = patches.join(y, grid, batch)
        return x + y if channels == self.filters else y


@keras.saving.register_keras_serializable("hyperseg_tf")
class Level(keras.layers.Layer):
    """One decoder level: `level([feature, weights])`, `level([feature, previous, weights])`.

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
        implementation: "auto", "einsum", "slices" or "xla".

    Shapes:
        feature: (B, H, W, C).
        previous: (B, H/2, W/2, C').
        weights: (B, h, w, P); h and w divide H and W.
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

    def build(self, input_shapes):
        *maps, weights = input_shapes
        channels = sum(shape[-1] for shape in maps) + (2 if self.positions else 0)
        self.kernels = self._kernels(channels)
        self.size = sum(_product(shape) for shape in self.kernels)
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

    def _kernels(self, channels):
        if self.kernel_size == 1:
            return ((self.filters, channels),)
        hidden = self.expand_ratio * channels
        return (
            (hidden, channels),
            (hidden, self.kernel_size, self.kernel_size),
            (self.filters, hidden),
        )

    def call(self, inputs, training=None):
        feature, *previous, weights = inputs
        weights = weights[..., self.start : self.start + self.size]
        training = bool(training) and self.trainable and not self.folded
        run = self._runner(training)
        previous = previous[0] if previous else None
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
            implementation = choice.resolve(self.implementation)
            block = Block(
                self.filters,
                self.kernel_size,
                self.expand_ratio,
                self.halo,
                self.padding,
                self.positions,
                1e-5,
                implementation,
            )

            def run(feature, previous, weights, norms):
                return block(feature, previous, weights, norms, training)

            self._run[training] = choice.compile_if(implementation, run)
        return self._run[training]

    def compute_output_shape(self, input_shapes):
        return (*input_shapes[0][:-1], self.filters)

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


def _product(shape):
    size = 1
    for side in shape:
        size *= side
    return size
