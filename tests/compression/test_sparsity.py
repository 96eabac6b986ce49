import json

import keras
import numpy as np
import pytest

from hyperseg_tf.compression.sparsity import sparsity


@pytest.fixture
def model():
    inputs = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 1, name="first")(inputs)
    x = keras.layers.DepthwiseConv2D(3, use_bias=False, name="depthwise")(x)
    model = keras.Model(inputs, keras.layers.Conv2D(2, 1, name="last")(x))
    for array in model.weights:
        array.assign(np.arange(1, np.prod(array.shape) + 1).reshape(array.shape))
    kernel = np.asarray(model.get_layer("first").kernel).copy()
    kernel[0, 0, 0] = [0.0, -0.0, 0.0, 7.0]
    model.get_layer("first").kernel.assign(kernel)
    return model


def test_zeros_are_counted_by_kernel_and_over_all(model):
    found = sparsity(model)
    first, last = found.layers
    assert (first.name, first.shape, first.weights) == ("first", (1, 1, 3, 4), 12)
    assert (first.zeros, first.sparsity, last.zeros) == (3, 0.25, 0)
    assert first.values == 1 + 8  # 7 occurs twice, the zeros are one value
    assert found.of_kernels == 3 / 20
    assert found.parameters == 12 + 4 + 36 + 8 + 2
    assert found.of_model == 3 / 62


def test_the_table_and_the_data_say_the_same(model):
    found = sparsity(model)
    lines = found.table().splitlines()
    assert lines[1].split() == ["first", "1x1x3x4", "12", "25.00"]
    assert lines[-2].split() == ["all", "kernels", "20", "15.00"]
    assert lines[-1].split() == ["all", "parameters", "62", "4.84"]
    data = json.loads(json.dumps(found.as_data()))
    assert data["layers"][0]["zeros"] == 3 and data["of_kernels"] == 0.15
    assert data["layers"][0]["sparsity"] == 0.25
