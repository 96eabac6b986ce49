"""Rotation against Pillow's."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from hyperseg_tf.pipelines import RandomRotate

METHODS = {"bicubic": Image.BICUBIC, "bilinear": Image.BILINEAR}


def picture(height, width):
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
    return image, rng.integers(0, 11, (height, width)).astype(np.uint8)


@pytest.mark.parametrize("angle", [-30.0, -7.3, 11.0, 29.9])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(37, 53), (40, 12)])
def test_turns_are_pillows(angle, method, shape):
    image, label = picture(*shape)
    rotate = RandomRotate(30, method=method, fill=(7, 8, 9))
    found = rotate.turn(tf.constant(image), tf.constant(label), tf.constant(angle))
    wanted = Image.fromarray(image).rotate(angle, METHODS[method], fillcolor=(7, 8, 9))
    nearest = Image.fromarray(label).rotate(angle, Image.NEAREST, fillcolor=255)
    # A centre on the border of two pixels may fall to either.
    same = np.abs(found[0].numpy().astype(int) - np.asarray(wanted)).max(-1) <= 1
    assert same.mean() > 0.995
    assert (found[1].numpy() == np.asarray(nearest)).mean() > 0.995
    assert (found[1].numpy() == 255).any()


@pytest.mark.slow
def test_no_turn_is_the_picture_and_the_label_stays_in_step():
    image, label = picture(9, 14)
    image[..., 0] = 20 * label
    pair = {"image": tf.constant(image), "label": tf.constant(label)}
    still = RandomRotate(0)(pair, tf.constant([1, 2]))
    np.testing.assert_array_equal(still["image"], image)
    np.testing.assert_array_equal(still["label"], label)
    square = np.zeros((60, 60), np.uint8)
    square[12:30, 25:50] = 1
    rotate = tf.function(RandomRotate(30))
    for n in range(5):
        sample = {
            "image": tf.constant(np.repeat(255 * square[..., None], 3, 2)),
            "label": tf.constant(square),
        }
        out = rotate(sample, tf.constant([3, n]))
        seen, said = out["image"].numpy()[..., 1] > 127, out["label"].numpy() == 1
        assert (seen != said).mean() < 0.01


def test_corners_are_void_or_the_releases_background():
    image, label = picture(20, 20)
    label[:] = 5
    pair = tf.constant(image), tf.constant(label), tf.constant(25.0)
    ours = RandomRotate(30).turn(*pair)
    release = RandomRotate(30, fill=(0, 0, 0), label_fill=0).turn(*pair)
    corner = ours[1].numpy() == 255
    assert corner[0, 0] and set(np.unique(ours[1])) == {5, 255}
    np.testing.assert_array_equal(release[1].numpy() == 0, corner)
    assert (ours[0].numpy()[corner] == (124, 116, 104)).all()
    assert (release[0].numpy()[corner] == 0).all()


@pytest.mark.slow
def test_angles_fill_their_range_both_ways():
    """The place of a dot tells the angle."""
    label = np.zeros((101, 101), np.uint8)
    label[48:53, 88:93] = 1
    sample = {
        "image": tf.zeros((101, 101, 3), tf.uint8),
        "label": tf.constant(label),
    }
    rotate = tf.function(RandomRotate(30, p=0.5, method="bilinear"))
    angles = []
    for n in range(120):
        y, x = np.nonzero(rotate(sample, tf.constant([8, n]))["label"].numpy() == 1)
        angles.append(np.degrees(np.arctan2(50 - y.mean(), x.mean() - 50)))
    angles = np.array(angles)
    turned = angles[np.abs(angles) > 0.01]
    assert 40 < len(turned) < 80
    assert -31 < angles.min() < -24 and 24 < angles.max() < 31


@pytest.mark.parametrize(
    "wrong",
    [
        {"degrees": -1},
        {"degrees": 200},
        {"degrees": 5, "method": "nearest"},
        {"degrees": 5, "label_fill": 256},
        {"degrees": 5, "fill": (0, 0, 300)},
        {"degrees": 5, "p": 2},
    ],
)
def test_wrong_arguments_are_value_errors(wrong):
    with pytest.raises(ValueError, match="got"):
        RandomRotate(**wrong)
