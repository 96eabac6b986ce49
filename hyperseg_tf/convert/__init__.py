"""Weights from elsewhere: the released models' names, ImageNet files, own files."""

from hyperseg_tf.convert.sources import load_weights

__all__ = ["load_weights"]
