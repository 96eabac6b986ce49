import keras
import numpy as np
import pytest

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.compression.quantization import QuantizedBackbone
from tests.calibrated import pictures
from tests.tiny_segmenter import random_hyperseg


@pytest.fixture(scope="module")
def trained():
    """A model, its quantized form, pictures, and the losses of its training."""
    model = random_hyperseg()
    images = np.asarray(pictures(4, 64, 128), "float32")
    quantized = QuantizedBackbone(model, learning_rate=3e-4)
    return model, quantized, images, quantized.train([images] * 30)


def run(file, images):
    import tensorflow as tf

    interpreter = tf.lite.Interpreter(model_content=file)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], images)
    interpreter.invoke()
    logits = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    return logits, interpreter.get_tensor_details()


@pytest.mark.slow
def test_training_brings_the_features_back(trained):
    *_, losses = trained
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.slow
def test_the_tflite_file_has_an_8_bit_backbone_and_the_trained_logits(trained):
    model, quantized, images, _ = trained
    logits, tensors = run(quantized.to_tflite((64, 128)), images[:1])
    wanted = quantized.logits(images[:1])
    assert np.abs(logits - wanted).mean() < 0.25 * wanted.std()
    kinds = [np.dtype(tensor["dtype"]).name for tensor in tensors]
    assert kinds.count("int8") > 150
    exact = np.asarray(model(images[:1]))
    assert 0 < np.abs(logits - exact).mean() < 0.8 * exact.std()


@pytest.mark.slow
def test_sizes_that_would_be_padded_are_refused(trained):
    _, quantized, images, _ = trained
    with pytest.raises(ValueError, match="sides must divide by 64: got 64x96"):
        quantized.to_tflite((64, 96))
    with pytest.raises(ValueError, match="got 63x128"):
        quantized.train([images[:, 1:]])
    with pytest.raises(ValueError, match="got 63x128"):
        quantized.logits(images[:, 1:])


def test_what_is_no_hyperseg_never_reaches_the_toolkit():
    dense = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    with pytest.raises(UserError, match="takes a HyperSeg: got a Sequential"):
        QuantizedBackbone(dense)
