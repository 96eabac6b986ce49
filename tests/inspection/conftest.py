"""One model, one picture and what an inspection finds, for all files of this folder."""

import numpy as np
import pytest

from hyperseg_tf.inspection.inspect import inspect
from tests.tiny_segmenter import random_hyperseg


@pytest.fixture(scope="session")
def model():
    return random_hyperseg()


@pytest.fixture(scope="session")
def image():
    return np.random.default_rng(3).integers(0, 256, (70, 150, 3), np.uint8)


@pytest.fixture(scope="session")
def found(model, image):
    return inspect(model, image)
