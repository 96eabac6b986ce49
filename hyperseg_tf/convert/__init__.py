"""Weights from elsewhere: released checkpoints, ImageNet files, own files; and back.

Importing it makes `HyperSeg.from_preset(weights=...)` work.
"""

from hyperseg_tf.convert import sources
from hyperseg_tf.convert.files import keras_to_pth, pth_to_keras
from hyperseg_tf.convert.pth import from_pth, load_pth, to_pth
from hyperseg_tf.convert.sources import load_weights
from hyperseg_tf.network import initial_weights

initial_weights.register(sources)

__all__ = [
    "from_pth",
    "keras_to_pth",
    "load_pth",
    "load_weights",
    "pth_to_keras",
    "to_pth",
]
