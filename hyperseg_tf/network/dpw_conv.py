"""The dynamic patch-wise convolution (Section 3.3): a convolution without a kernel.

Every cell of a grid owns one patch of the map and brings the weights for it.
"""

import keras
from keras import ops

from hyperseg_tf.ops import choice, patches
from hyperseg_tf.ops.path import Path
from hyperseg_tf.presets import HALOS

REMAINDERS = ("error", "zero")


def dynamic_patch_conv(
    x,
    weights,
    filters: int,
    kernel_size: int,
    groups: int = 1,
    padding: str = "reflect",
    remainder: str = "error",
    implementation: str | Path = "slices",
):
    """Convolve each patch of a map with the weights of its cell (Eq. 8).

    Args:
        x: (B, H, W, C).
        weights: (B, h, w, P) with P = filters * C / groups * kernel_size**2, in the
            order (filter, channel, row, column).
        filters: Output channels O.
        kernel_size: Odd side of the kernels.
        groups: Channel groups; divides C and `filters`.
        padding: What lies outside the map: "reflect", "replicate", "circular", "zeros".
        remainder: When h or w does not divide H or W: "error", or "zero" to leave the
            rows and columns behind the last patch 0, as the released code does.
        implementation: "einsum", "slices", "xla" or "fused", or what
            `choice.conv_path` made of it.

    Returns:
        (B, H, W, O). The pixels around a patch come from its neighbours.

    Raises:
        ValueError: If the sizes do not fit each other.
    """
    grid = ops.shape(weights)[1:3]
    size = ops.shape(x)[1:3]
    channels = x.shape[-1]
    _check_remainder(size, grid, remainder)
    path = implementation
    if isinstance(path, str):
        path = choice.conv_path(path)
    if path.conv is not None:
        if remainder == "error":
            return path.conv(x, weights, filters, kernel_size, groups, padding)
        # The kernel knows no rest behind the last patch.
        path = choice.conv_path("xla")
    halo = (kernel_size - 1) // 2
    patch_size = [side // cells for side, cells in zip(size, grid, strict=True)]
    covered = [side * cells for side, cells in zip(patch_size, grid, strict=True)]
    x = patches.pad(x, halo, padding)
    if remainder == "zero":
        x = x[:, : covered[0] + 2 * halo, : covered[1] + 2 * halo]
    shape = (filters, channels // groups, kernel_size, kernel_size)
    (kernels,) = patches.split_weights(weights, shape)
    outputs = path.steps.convolve(patches.cut(x, grid, halo), kernels, groups)
    outputs = patches.join(outputs, grid, ops.shape(x)[0])
    if remainder == "zero":
        rest = [[0, side - part] for side, part in zip(size, covered, strict=True)]
        outputs = ops.pad(outputs, [[0, 0], *rest, [0, 0]])
    return outputs


def _check_remainder(size, grid, remainder):
    known = all(isinstance(side, int) for side in (*size, *grid))
    if not known:
        return
    if min(size[0] // grid[0], size[1] // grid[1]) < 1:
        raise ValueError(
            f"a patch needs at least one pixel: got a map of {size[0]}x{size[1]} for a "
            f"grid of {grid[0]}x{grid[1]}."
        )
    if remainder == "error" and (size[0] % grid[0] or size[1] % grid[1]):
        raise ValueError(
            f"the grid must divide the map: got {size[0]}x{size[1]} pixels for "
            f"{grid[0]}x{grid[1]} patches; pad the map, or pass remainder='zero'."
        )


@keras.saving.register_keras_serializable("hyperseg_tf")
class DPWConv(keras.layers.Layer):
    """Dynamic patch-wise convolution: `layer([x, weights])`.

    Args:
        filters: Output channels O.
        kernel_size: Odd side of the kernels.
        groups: Channel groups; divides C and `filters`.
        padding: What lies outside the map: "reflect", "replicate", "circular", "zeros".
        halo: Where the pixels around a patch have been: "neighbour", through the
            neighbour's weights; "patch", through this patch's own. Decides how a chain
            of convolutions is evaluated (`decoder.Level`); the input of a single one
            has been through neither, so both give the same.
        remainder: When the grid does not divide the map: "error" or "zero".
        implementation: "auto", "einsum", "slices", "xla" or "fused".

    Shapes:
        x: (B, H, W, C).
        weights: (B, h, w, P), P = filters * C / groups * kernel_size**2, in the order
            (filter, channel, row, column).
        returns: (B, H, W, O).

    Raises:
        ValueError: If arguments or shapes do not fit each other.

    Source: Section 3.3, Eq. 8.
    """

    def __init__(
        self,
        filters,
        kernel_size,
        groups=1,
        padding="reflect",
        halo="patch",
        remainder="error",
        implementation="auto",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if filters < 1 or groups < 1 or filters % groups:
            raise ValueError(f"groups must divide filters: got {groups=}, {filters=}.")
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd: got {kernel_size}.")
        for value, name, known in (
            (padding, "padding", patches.PADDINGS),
            (halo, "halo", HALOS),
            (remainder, "remainder", REMAINDERS),
        ):
            if value not in known:
                raise ValueError(f"{name} must be one of {known}: got {value!r}.")
        self.filters = filters
        self.kernel_size = kernel_size
        self.groups = groups
        self.padding = padding
        self.halo = halo
        self.remainder = remainder
        self.implementation = choice.check(implementation)
        self._convolve = {}

    def build(self, input_shapes):
        x_shape, weights_shape = input_shapes
        if len(x_shape) != 4 or len(weights_shape) != 4:
            raise ValueError(
                "x must be (B, H, W, C) and weights (B, h, w, P): got shapes "
                f"{x_shape} and {weights_shape}."
            )
        channels = x_shape[-1]
        if channels % self.groups:
            raise ValueError(f"groups={self.groups} must divide {channels} channels.")
        needed = self.filters * (channels // self.groups) * self.kernel_size**2
        if weights_shape[-1] != needed:
            raise ValueError(
                f"{self.filters} filters of {self.kernel_size}x{self.kernel_size} over "
                f"{channels // self.groups} channels need {needed} weights per patch: "
                f"got {weights_shape[-1]}."
            )

    def call(self, inputs):
        x, weights = inputs
        path = choice.conv_path(self.implementation)
        # Kept, as its compiled functions are.
        if path not in self._convolve:
            self._convolve[path] = self._make(path)
        return self._convolve[path](x, weights)

    def _make(self, path):
        def convolve(x, weights):
            return dynamic_patch_conv(
                x,
                weights,
                self.filters,
                self.kernel_size,
                self.groups,
                self.padding,
                self.remainder,
                path,
            )

        return path.compile(convolve)

    def compute_output_shape(self, input_shapes):
        return (*input_shapes[0][:-1], self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "groups": self.groups,
            "padding": self.padding,
            "halo": self.halo,
            "remainder": self.remainder,
            "implementation": self.implementation,
        }
