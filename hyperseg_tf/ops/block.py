"""The arithmetic of one decoder level (Sections 3.2 and 3.3), without variables.

A level is one pure function of tensors, so that XLA can compile it whole and every
implementation runs the same code.
"""

import math

from keras import ops

from hyperseg_tf.ops import patches, resize
from hyperseg_tf.ops.normalise import normalise, normalise_batch
from hyperseg_tf.ops.path import Path


def block_kernels(
    channels: int, hidden: int, filters: int, kernel_size: int
) -> tuple[tuple[int, ...], ...]:
    """Shapes of the kernels of one level, in the order of its weights.

    Args:
        channels: Of the fused input.
        hidden: Channels between the two pointwise convolutions; 0 for kernel 1.
        filters: Output channels.
        kernel_size: Side of the depthwise kernel.
    """
    if not hidden:
        return ((filters, channels),)
    return (
        (hidden, channels),
        (hidden, kernel_size, kernel_size),
        (filters, hidden),
    )


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
    """One level: a pointwise convolution, or an inverted residual.

    Args:
        filters: Output channels.
        kernel_size: 1 for a pointwise block, else an inverted residual.
        expand_ratio: Hidden channels over input channels.
        halo: "patch" or "neighbour"; see `Preset.halo`.
        padding: What lies outside the map.
        positions: Whether coordinates are concatenated.
        epsilon: Of the batch normalizations.
        path: How it runs, and whether in training.
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
        path: Path,
    ):
        self.filters = filters
        self.kernel_size = kernel_size
        self.expand_ratio = expand_ratio
        self.halo = halo
        self.padding = padding
        self.positions = positions
        self.epsilon = epsilon
        self.path = path
        self.run = path.compile(self._run) if path.whole else self._run
        self.gather = self._gather if path.whole else path.compile(self._gather)

    def __call__(self, feature, previous, weights, norms):
        """Run the level.

        Args:
            feature: (B, H, W, C).
            previous: (B, H/2, W/2, C') or None.
            weights: (B, h, w, P).
            norms: Per convolution either (bias,) or (gamma, beta, mean, variance).

        Returns:
            (B, H, W, filters), and per convolution (mean, unbiased variance) of the
            batch, an empty list unless training.
        """
        return self.run(feature, previous, weights, norms)

    def _run(self, feature, previous, weights, norms):
        norm = _Norms(norms, self.epsilon, self.path)
        x = self.gather(feature, previous, weights)
        run = self._pointwise if self.kernel_size == 1 else self._inverted_residual
        y = run(x, weights, norm, ops.shape(feature)[0])
        if self.kernel_size > 1 and x.shape[-1] == self.filters:
            y = y + fuse(feature, previous, self.positions, self.path.portable)
        return y, norm.statistics

    def _gather(self, feature, previous, weights):
        """Fuse the inputs and cut them into the patches that the weights are for."""
        x, halo = fuse(feature, previous, self.positions, self.path.portable), 0
        if self.kernel_size > 1 and self.halo == "patch":
            halo = (self.kernel_size - 1) // 2
        x = patches.pad(x, halo, self.padding)
        return patches.cut(x, ops.shape(weights)[1:3], halo)

    def _pointwise(self, x, weights, norm, batch):
        (kernel,) = patches.split_weights(weights, (self.filters, x.shape[-1]))
        y = ops.relu(norm(self.path.steps.pointwise(x, kernel)))
        return patches.join(y, ops.shape(weights)[1:3], batch)

    def _inverted_residual(self, x, weights, norm, batch):
        channels = x.shape[-1]
        expand, depthwise, project = patches.split_weights(
            weights,
            *block_kernels(
                channels, self.expand_ratio * channels, self.filters, self.kernel_size
            ),
        )
        grid = ops.shape(weights)[1:3]
        steps = self.path.steps
        # With halo="patch" the pixels around a patch go through its own expansion, as
        # in the published Cityscapes and CamVid models.
        y = steps.pointwise(x, expand)
        if self.halo == "neighbour":
            halo = (self.kernel_size - 1) // 2
            y = ops.relu6(norm(y))
            y = patches.pad(patches.join(y, grid, batch), halo, self.padding)
            y = steps.depthwise(patches.cut(y, grid, halo), depthwise)
        else:
            y = norm.stage(y, depthwise, steps.depthwise)
        y = norm(norm.stage(y, project, steps.pointwise))
        return patches.join(y, grid, batch)


class _Norms:
    """The normalizations of a block in the order they are used."""

    def __init__(self, norms, epsilon, path):
        self._values = iter(norms)
        self._epsilon = epsilon
        self._path = path
        self.statistics = []

    def __call__(self, x):
        values = next(self._values)
        if len(values) == 1:
            return x + ops.cast(values[0], x.dtype)
        gamma, beta, mean, variance = values
        if not self._path.training:
            return normalise(x, gamma, beta, mean, variance, self._epsilon)
        y, *statistics = normalise_batch(x, gamma, beta, self._epsilon)
        self.statistics.append(statistics)
        return y

    def stage(self, x, kernels, convolve):
        """The normalization, ReLU6 and a convolution (N, O, C) or (N, C, k, k)."""
        if self._path.stage is None:
            return convolve(ops.relu6(self(x)), kernels)
        gamma, beta, *_ = next(self._values)
        _, filters, *rest = kernels.shape
        kernel_size = rest[-1] if len(rest) == 2 else 1
        flat = ops.reshape(kernels, (-1, math.prod(kernels.shape[1:])))
        y, *statistics = self._path.stage(
            x, gamma, beta, flat, filters, kernel_size, self._epsilon
        )
        self.statistics.append(statistics)
        return y
