import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from hyperseg_tf.base.pixels import normalise
from hyperseg_tf.inference.preprocess import preprocess

PICTURE = np.random.default_rng(0).integers(0, 256, (13, 7, 3), np.uint8)


def test_every_form_of_a_picture_is_what_the_network_takes(tmp_path):
    Image.fromarray(PICTURE).save(tmp_path / "a.png")
    rgba = np.concatenate([PICTURE, PICTURE[..., :1]], axis=-1)
    expected = normalise(PICTURE[None])
    for image in (
        PICTURE,
        rgba,
        PICTURE.astype("int64"),
        Image.fromarray(PICTURE),
        tmp_path / "a.png",
        str(tmp_path / "a.png"),
        tf.constant(PICTURE),
    ):
        found = preprocess(image)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, expected)
    both = preprocess([PICTURE, Image.fromarray(PICTURE)])
    np.testing.assert_array_equal(both, np.repeat(expected, 2, axis=0))
    np.testing.assert_array_equal(both, preprocess(np.stack([PICTURE, PICTURE])))


def test_sizes_of_a_batch_are_made_alike_or_refused():
    assert preprocess([PICTURE, PICTURE[:5]], (33, 40)).shape == (2, 33, 40, 3)
    with pytest.raises(ValueError, match="one size: got 5x7, 13x7; give the size"):
        preprocess([PICTURE, PICTURE[:5]])
    with pytest.raises(ValueError, match="got none"):
        preprocess([])


def test_a_stream_of_tensors_is_normalised_in_its_graph():
    data = tf.data.Dataset.from_tensors(PICTURE).map(preprocess)
    (found,) = data
    np.testing.assert_allclose(found, normalise(PICTURE), rtol=1e-6)
