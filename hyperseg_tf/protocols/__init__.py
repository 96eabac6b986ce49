"""What a score means, as data: every named evaluation protocol and its classes.

Needs neither Keras nor TensorFlow.
"""

from hyperseg_tf.protocols.classes import CAMVID_CLASSES, CITYSCAPES_CLASSES
from hyperseg_tf.protocols.protocol import (
    PROTOCOLS,
    Protocol,
    difference,
    get,
    same_classes,
)

__all__ = [
    "CAMVID_CLASSES",
    "CITYSCAPES_CLASSES",
    "PROTOCOLS",
    "Protocol",
    "difference",
    "get",
    "same_classes",
]
