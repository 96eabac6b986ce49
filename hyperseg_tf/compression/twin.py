"""The folded backbone in layers of tf_keras, which the toolkit takes."""

import keras
import numpy as np
from keras import layers

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.network.backbones.bottleneck import MobileBottleneck
from hyperseg_tf.network.model import HyperSeg


def backbone_of(model: HyperSeg) -> keras.Model:
    """Return the backbone of a model."""
    return model.get_layer("backbone")


def twin(backbone: keras.Model):
    """Return a `tf_keras.Model` that computes what a folded EfficientNet does.

    Args:
        backbone: (B, H, W, 3) -> [F1, ..., F5, head], folded.

    Raises:
        UserError: It has a layer that is none of EfficientNet's.
    """
    import tf_keras

    inputs = tf_keras.Input((None, None, 3))
    tensors = {id(backbone.inputs[0]): inputs}
    weights = {}
    for layer in backbone.layers[1:]:
        convert = _CONVERT.get(type(layer))
        if convert is None:
            raise UserError(
                "quantization-aware training takes models with an EfficientNet: got a "
                f"backbone with {layer.name}, a {type(layer).__name__}; export int8 "
                "with calibration instead."
            )
        x = tensors[id(layer.input)]
        tensors[id(layer.output)] = convert(tf_keras.layers, x, layer, weights)
    outputs = [tensors[id(tensor)] for tensor in backbone.outputs]
    copy = tf_keras.Model(inputs, outputs)
    for name, values in weights.items():
        copy.get_layer(name).set_weights(values)
    return copy


def _conv(new, x, layer, weights):
    """One convolution, its activation as a layer of its own."""
    options = {"strides": layer.strides, "padding": layer.padding, "name": layer.name}
    if isinstance(layer, layers.DepthwiseConv2D):
        x = new.DepthwiseConv2D(layer.kernel_size, **options)(x)
    else:
        x = new.Conv2D(layer.filters, layer.kernel_size, **options)(x)
    weights[layer.name] = [np.asarray(value) for value in layer.get_weights()]
    return _activated(new, x, layer)


def _activated(new, x, layer, weights=None):
    name = keras.activations.serialize(layer.activation)
    if name == "linear":
        return x
    if name == "relu6":
        return new.ReLU(6.0)(x)
    return new.Activation("swish" if name == "silu" else name)(x)


def _padded(new, x, layer, weights):
    return new.ZeroPadding2D(layer.padding, name=layer.name)(x)


def _bottleneck(new, x, layer, weights):
    inputs = x
    if layer.expand:
        x = _conv(new, x, layer.expand, weights)
    if layer.borders:
        name = f"{layer.name}pad"
        x = new.ZeroPadding2D((layer.borders, layer.borders), name=name)(x)
    x = _conv(new, x, layer.depthwise, weights)
    if layer.squeezed:
        gate = new.GlobalAveragePooling2D(keepdims=True)(x)
        gate = _conv(new, gate, layer.reduce, weights)
        gate = _conv(new, gate, layer.excite, weights)
        x = new.Multiply()([x, gate])
    x = _conv(new, x, layer.project, weights)
    return new.Add()([x, inputs]) if layer.residual else x


_CONVERT = {
    layers.Conv2D: _conv,
    layers.Activation: _activated,
    layers.ZeroPadding2D: _padded,
    MobileBottleneck: _bottleneck,
    layers.Dropout: lambda new, x, layer, weights: x,
}
