import keras
import numpy as np
import pytest

from hyperseg_tf import HyperSeg
from hyperseg_tf.network.channels import channels_last
from tests.calibrated import pictures


@pytest.fixture
def channels_first():
    keras.config.set_image_data_format("channels_first")
    yield
    keras.config.set_image_data_format("channels_last")


def test_the_order_of_before_comes_back_whatever_happens(channels_first):
    with pytest.raises(KeyError), channels_last():
        assert keras.config.image_data_format() == "channels_last"
        raise KeyError
    assert keras.config.image_data_format() == "channels_first"


@pytest.mark.slow
@pytest.mark.parametrize("folded", [False, True])
def test_a_model_is_the_same_whatever_keras_json_says(tmp_path, folded):
    model = HyperSeg.from_preset("hyperseg_tiny", num_classes=3)
    model = model.fold("slices") if folded else model
    images = pictures(1, 45, 70)
    expected = model(images)
    keras.config.set_image_data_format("channels_first")
    try:
        copy = HyperSeg.from_config(model.get_config())
        copy.set_weights(model.get_weights())
        np.testing.assert_array_equal(copy(images), expected)
    finally:
        keras.config.set_image_data_format("channels_last")
