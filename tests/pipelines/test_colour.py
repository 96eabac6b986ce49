"""Colour jitter against torchvision's formulas, written out by hand, and colorsys."""

import colorsys

import numpy as np
import pytest
import tensorflow as tf

from hyperseg_tf.pipelines import ColourJitter

IMAGE = np.random.default_rng(3).integers(0, 256, (5, 7, 3)).astype(np.uint8)
GREY = np.array([0.2989, 0.587, 0.114])
KINDS = ("brightness", "contrast", "saturation", "hue")
ALL = ColourJitter(0.5, 0.5, 0.5, 0.5)


def brightness(x, factor):
    return x * factor


def contrast(x, factor):
    return factor * x + (1 - factor) * (x @ GREY).mean()


def saturation(x, factor):
    return factor * x + (1 - factor) * (x @ GREY)[..., None]


def hue(x, turn):
    out = np.empty_like(x)
    for at in np.ndindex(x.shape[:2]):
        h, s, v = colorsys.rgb_to_hsv(*x[at])
        out[at] = colorsys.hsv_to_rgb((h + turn) % 1, s, v)
    return out


CHANGES = (brightness, contrast, saturation, hue)


def expected(image, order, factors, between=lambda x: x):
    x = image.astype(np.float64)
    for i in order:
        x = between(np.clip(CHANGES[i](x, factors[i]), 0, 255))
    return x


@pytest.mark.slow
@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)])
def test_changes_are_torchvisions_in_any_order(order):
    factors = (1.4, 0.6, 1.3, -0.2)
    given = [tf.constant(f) for f in factors]
    adjust = tf.function(ALL.adjust)
    found = adjust(tf.constant(IMAGE), tf.constant(order), given)
    wanted = expected(IMAGE, order, factors)
    assert found.dtype == tf.uint8
    assert np.abs(found.numpy() - wanted).max() <= 0.51
    floats = ALL.adjust(tf.constant(IMAGE, tf.float32), tf.constant(order), given)
    np.testing.assert_allclose(floats, wanted, atol=0.01)


def test_bytes_between_cuts_after_each_change():
    factors = (1.37, 0.61, 0.7, 0.0)
    jitter = ColourJitter(0.5, 0.5, 0.5, bytes_between=True)
    found = jitter.adjust(
        tf.constant(IMAGE), tf.constant((1, 2, 0, 3)), [tf.constant(f) for f in factors]
    )
    wanted = expected(IMAGE, (1, 2, 0), factors, np.floor)
    assert (found.numpy() == wanted).mean() > 0.95
    assert np.abs(found.numpy() - wanted).max() <= 1


@pytest.mark.parametrize("kind", range(4))
def test_each_change_alone_is_drawn_from_its_whole_range(kind):
    """A wide grey picture shows the factor; a red one the turn of its hue."""
    jitter = ColourJitter(**{KINDS[kind]: 0.25})
    red = np.zeros((1, 2, 3), np.float32)
    red[0, 0] = (120, 40, 40)
    red[0, 1] = (100, 60, 60)
    draw = tf.function(lambda seed: jitter({"image": tf.constant(red)}, seed)["image"])
    seen = []
    for n in range(200):
        x = draw(tf.constant([4, n])).numpy().astype(float)
        if kind == 0:
            seen.append(x[0, 0, 0] / 120 - 1)
        elif kind == 1:
            seen.append((x[0, 0, 0] - x[0, 1, 0]) / 20 - 1)
        elif kind == 2:
            seen.append((x[0, 0, 0] - x[0, 0, 1]) / 80 - 1)
        else:
            turn = colorsys.rgb_to_hsv(*x[0, 0])[0]
            seen.append(turn - (turn > 0.5))
    seen = np.array(seen)
    assert np.abs(seen).max() <= 0.25 + 1e-4
    assert seen.min() < -0.22 and seen.max() > 0.22 and abs(seen.mean()) < 0.04


def test_the_order_is_drawn_too():
    """Brightness before or after contrast moves the mean that contrast blends with."""
    jitter = ColourJitter(brightness=0.5, contrast=0.5)
    image = tf.constant(IMAGE)
    kinds = set()
    for n in range(30):
        seed = tf.constant([2, n])
        keys = [tf.random.experimental.stateless_fold_in(seed, i) for i in (0, 1)]
        order = tf.random.experimental.stateless_shuffle(tf.range(4), keys[0]).numpy()
        kinds.add(tuple(order))
        draws = 2 * tf.random.stateless_uniform((4,), keys[1]).numpy() - 1
        factors = 1 + 0.5 * draws
        wanted = expected(image.numpy(), [i for i in order if i < 2], factors)
        found = jitter({"image": image}, seed)["image"].numpy()
        assert np.abs(found - wanted).max() <= 0.51
    assert len(kinds) > 12


def test_nothing_to_change_changes_nothing():
    for jitter in (ColourJitter(), ColourJitter(bytes_between=True)):
        out = jitter({"image": tf.constant(IMAGE)}, tf.constant([0, 0]))["image"]
        np.testing.assert_array_equal(out, IMAGE)


@pytest.mark.parametrize(
    "wrong",
    [{"brightness": -0.1}, {"hue": 0.6}, {"saturation": float("nan")}, {"hue": -1}],
)
def test_wrong_arguments_are_value_errors(wrong):
    with pytest.raises(ValueError, match="got"):
        ColourJitter(**wrong)
