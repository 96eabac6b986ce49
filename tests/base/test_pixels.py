import numpy as np
import pytest
import tensorflow as tf

from hyperseg_tf.base import pixels


def every_grey_level():
    return np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)


def test_every_grey_level_survives_the_way_there_and_back():
    image = every_grey_level()
    values = pixels.normalise(image)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(pixels.denormalise(values), image)


def test_values_are_those_of_the_definition_in_double_precision():
    image = every_grey_level()
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    expected = (image / 255.0 - mean) / std
    np.testing.assert_allclose(pixels.normalise(image), expected, rtol=3e-5, atol=1e-7)


def test_tensors_and_arrays_give_the_same_bits():
    image = every_grey_level()
    graph = tf.function(lambda x: pixels.normalise(tf.cast(x, tf.float32)))
    np.testing.assert_array_equal(graph(image), pixels.normalise(image))


def test_small_pictures_are_padded_with_the_mean_colour():
    image = np.full((2, 7, 41, 3), 9, np.uint8)
    x, size = pixels.to_input(image)
    assert x.shape == (2, 32, 41, 3) and size == (7, 41)
    np.testing.assert_array_equal(x[:, :7], pixels.normalise(image))
    assert not x[:, 7:].any()


def test_pictures_are_resized_only_where_their_size_differs():
    image = np.random.default_rng(0).integers(0, 256, (1, 40, 33, 3), np.uint8)
    np.testing.assert_array_equal(
        pixels.to_input(image, (40, 33))[0], pixels.normalise(image)
    )
    assert pixels.to_input(image, (36, 50))[0].shape == (1, 36, 50, 3)


@pytest.mark.parametrize(
    "shape, dtype",
    [
        ((4, 4, 3), "uint8"),
        ((1, 4, 4, 3), "float32"),
        ((1, 4, 4, 1), "uint8"),
        ((1, 0, 4, 3), "uint8"),
    ],
)
def test_anything_else_is_refused(shape, dtype):
    with pytest.raises(ValueError, match="pictures"):
        pixels.check_images(np.zeros(shape, dtype))
    with pytest.raises(ValueError, match="a picture is"):
        pixels.check_image(np.zeros((2, 2), "uint8"))
