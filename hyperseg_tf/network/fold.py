"""Batch normalization folded away for inference (Appendix E).

Behind a regular convolution, scale and shift go into its kernel and bias. Behind a
dynamic one the scale goes into the columns of the weight head that make the rows of
the generated kernel, and the shift stays as a bias per channel.
"""

import keras
import numpy as np
from keras import layers

from hyperseg_tf.network.layout import decoder_layout


def fold(model, implementation: str | None = None):
    """An inference copy of a model that has no batch normalization left.

    Args:
        model: A `HyperSeg`; a folded one gives a plain copy.
        implementation: Of the dynamic convolution; None keeps the model's.

    Returns:
        HyperSeg: Same logits as `model(images, training=False)` but for rounding.
    """
    config = {**model.get_config(), "folded": True}
    config["implementation"] = implementation or model.implementation
    copy = type(model).from_config(config)
    if model.folded:
        copy.set_weights(model.get_weights())
        return copy
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            _fold_regular(layer, copy.get_layer(layer.name))
    if model.preset.dynamic:
        _fold_dynamic(model, copy)
    return copy


def _affine(norm):
    """Scale and shift (C,) of a trained batch normalization, in float64."""
    gamma, beta, mean, variance = (
        np.asarray(v, "float64")
        for v in (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance)
    )
    scale = gamma / np.sqrt(variance + norm.epsilon)
    return scale, beta - mean * scale


def _fold_regular(source, target):
    affine = {}
    for layer in source.layers:
        if isinstance(layer, layers.BatchNormalization):
            conv = layer.input._keras_history.operation
            affine[conv.name] = _affine(layer)
    for layer in _leaves(target):
        original = source.get_layer(layer.name)
        if layer.name not in affine:
            layer.set_weights(original.get_weights())
            continue
        scale, shift = affine[layer.name]
        kernel, *bias = original.get_weights()
        if bias:
            shift = shift + bias[0] * scale
        # A depthwise kernel is (k, k, C, 1), a regular one (k, k, in, C).
        depthwise = isinstance(layer, layers.DepthwiseConv2D)
        factor = scale[:, None] if depthwise else scale
        layer.set_weights([kernel * factor, shift])


def _leaves(model):
    """Layers that have weights of their own, those inside others, too."""
    for layer in model._flatten_layers(include_self=False):
        inner = list(layer._flatten_layers(include_self=False))
        if layer.weights and not inner:
            yield layer


def _fold_dynamic(source, target):
    level_layouts, heads = decoder_layout(source.preset)
    kernels = [
        np.asarray(source.get_layer(f"weights_{i}").kernel, "float64").copy()
        for i in range(len(heads))
    ]
    for i, layout in enumerate(level_layouts):
        level, folded = (m.get_layer(f"level_{i}") for m in (source, target))
        start = layout.start
        for norm, bias, (count, _), shape in zip(
            level.norms, folded.biases, layout.fan_ins, layout.kernels, strict=True
        ):
            scale, shift = _affine(norm)
            rows = np.repeat(scale, count // shape[0])
            kernels[layout.head][:, start : start + count] *= rows
            bias.assign(shift)
            start += count
    for i, kernel in enumerate(kernels):
        target.get_layer(f"weights_{i}").kernel.assign(kernel)
