"""Tensors are NHWC here, whatever keras.json says.

Keras' layers take the order of their dimensions from `keras.config` where they are
made, and write it into their own configs.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import keras

LAST = "channels_last"


@contextmanager
def channels_last() -> Iterator[None]:
    """Let layers be made for NHWC; a decorator, too."""
    before = keras.config.image_data_format()
    keras.config.set_image_data_format(LAST)
    try:
        yield
    finally:
        keras.config.set_image_data_format(before)
