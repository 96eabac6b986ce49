"""Models as if trained: running statistics that fit the pictures they see."""

import contextlib

import keras
import numpy as np


def pictures(count: int, height: int, width: int) -> np.ndarray:
    """Blobs and noise that differ in brightness and contrast, (N, H, W, 3) float32."""
    rng = np.random.default_rng(7)
    rows, columns = -(-height // 16), -(-width // 16)
    blobs = rng.normal(size=(count, rows, columns, 3))
    images = blobs.repeat(16, 1).repeat(16, 2)[:, :height, :width]
    images = images + 0.35 * rng.normal(size=images.shape)
    contrast, brightness = rng.uniform(0.4, 1.2, count), rng.normal(size=count)
    images = images * contrast[:, None, None, None] + brightness[:, None, None, None]
    return images.astype("float32")


def calibrate(model: keras.Model, images: np.ndarray) -> None:
    """Make the running statistics those of `images`, batch by batch as in training."""
    layers = norms(model)
    kept = [norm.momentum for norm in layers]
    for norm in layers:
        norm.momentum = 0.0
    model(images, training=True)
    for norm, momentum in zip(layers, kept, strict=True):
        norm.momentum = momentum


def norms(model: keras.Model) -> list:
    """Every batch normalization of a model, nested ones included."""
    return [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]


@contextlib.contextmanager
def precision(floatx: str):
    """Make and run layers in another floating point type."""
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(floatx)
    try:
        yield
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")
