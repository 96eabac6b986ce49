"""The mobile inverted bottleneck of EfficientNet without batch normalization.

EfficientNet-Lite has it without squeeze-and-excitation and with ReLU6 for swish.
"""

import keras
from keras import layers, ops

from hyperseg_tf.network.channels import channels_last
from hyperseg_tf.ops import choice

ACTIVATIONS = ("silu", "relu6")


@keras.saving.register_keras_serializable("hyperseg_tf")
class MobileBottleneck(layers.Layer):
    """Expansion, depthwise convolution, squeeze-and-excitation, projection, residual.

    The inference form: all convolutions have a bias. On a CPU with the custom ops three
    kernels do all of it (`hyperseg_tf.ops.mobile`); else stock layers do.

    Args:
        filters: Output channels; the input is added where stride is 1 and it has as
            many.
        kernel_size: Side of the depthwise kernel.
        expansion: Hidden over input channels; 1 has no expansion.
        squeezed: Channels of the squeezed vector; 0 has no squeeze-and-excitation.
        strides: Of the depthwise convolution.
        borders: Zeros before and after the hidden rows and columns; None for SAME.
        implementation: As of the dynamic convolution; "fused", which "auto" takes where
            it can, means the custom ops.
        activation: "silu" or "relu6", of the expansion and the depthwise convolution.

    Shapes:
        inputs: (B, H, W, C).
        returns: (B, H', W', filters).

    Raises:
        ValueError: There is no such activation or implementation.
    """

    def __init__(
        self,
        filters,
        kernel_size,
        expansion,
        squeezed,
        strides=1,
        borders=None,
        implementation="auto",
        activation="silu",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.expansion = expansion
        self.squeezed = squeezed
        self.strides = strides
        self.borders = tuple(borders) if borders else None
        self.implementation = choice.check(implementation)
        if activation not in ACTIVATIONS:
            raise ValueError(
                f"activation must be in {ACTIVATIONS}: got {activation!r}."
            )
        self.activation = activation

    @channels_last()
    def build(self, shape):
        channels = shape[-1]
        hidden = channels * self.expansion
        self.residual = self.strides == 1 and channels == self.filters
        # The names of the layers of the form with batch normalization.
        name, dtype = self.name, self.dtype_policy
        self.expand = None
        if self.expansion != 1:
            self.expand = layers.Conv2D(
                hidden,
                1,
                activation=self.activation,
                name=f"{name}expand_conv",
                dtype=dtype,
            )
            self.expand.build(shape)
        hidden_shape = (None, None, None, hidden)
        self.depthwise = layers.DepthwiseConv2D(
            self.kernel_size,
            strides=self.strides,
            padding="valid" if self.borders else "same",
            activation=self.activation,
            name=f"{name}dwconv",
            dtype=dtype,
        )
        self.depthwise.build(hidden_shape)
        if self.squeezed:
            self.reduce = layers.Conv2D(
                self.squeezed,
                1,
                activation="silu",
                name=f"{name}se_reduce",
                dtype=dtype,
            )
            self.reduce.build(hidden_shape)
            self.excite = layers.Conv2D(
                hidden, 1, activation="sigmoid", name=f"{name}se_expand", dtype=dtype
            )
            self.excite.build((None, None, None, self.squeezed))
        self.project = layers.Conv2D(
            self.filters, 1, name=f"{name}project_conv", dtype=dtype
        )
        self.project.build(hidden_shape)

    def call(self, x):
        if self.compute_dtype == "float32" and choice.fused_cpu(self.implementation):
            return self._fused(x)
        inputs = x
        if self.expand:
            x = self.expand(x)
        if self.borders:
            x = ops.pad(x, [[0, 0], self.borders, self.borders, [0, 0]])
        x = self.depthwise(x)
        if self.squeezed:
            mean = ops.mean(x, axis=(1, 2), keepdims=True)
            x = x * self.excite(self.reduce(mean))
        x = self.project(x)
        return x + inputs if self.residual else x

    def _fused(self, x):
        from hyperseg_tf.ops import mobile

        expand = shift = None
        if self.expand:
            expand, shift = self.expand.kernel[0, 0], self.expand.bias
        hidden, mean = mobile.expand_depthwise(
            x,
            expand,
            shift,
            self.depthwise.kernel[..., 0],
            self.depthwise.bias,
            self.strides,
            self.borders or (),
            "swish" if self.activation == "silu" else self.activation,
        )
        gate = None
        if self.squeezed:
            gate = mobile.squeeze_excite(
                mean,
                self.reduce.kernel[0, 0],
                self.reduce.bias,
                self.excite.kernel[0, 0],
                self.excite.bias,
            )
        return mobile.gated_project(
            hidden,
            gate,
            self.project.kernel[0, 0],
            self.project.bias,
            x if self.residual else None,
        )

    def compute_output_shape(self, shape):
        batch, *sides, _ = shape
        whole = sum(self.borders) - self.kernel_size + 1 if self.borders else 0
        sides = [s if s is None else -(-(s + whole) // self.strides) for s in sides]
        return (batch, *sides, self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "expansion": self.expansion,
            "squeezed": self.squeezed,
            "strides": self.strides,
            "borders": self.borders,
            "implementation": self.implementation,
            "activation": self.activation,
        }
