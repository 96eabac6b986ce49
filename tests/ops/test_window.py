"""Windows of resized pictures: the custom op and TensorFlow's own operations."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperseg_tf.ops import build, window
from hyperseg_tf.ops.window import METHODS, plain

FILL = (1, 2, 3)


def picture(height, width, seed=0):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
    return image, rng.integers(0, 255, (height, width)).astype(np.uint8)


def arguments(image, label, scaled, first, size, flip):
    numbers = (tf.constant(x, tf.int32) for x in (scaled, first, size))
    pair = tf.constant(image), tf.constant(label)
    return (*pair, *numbers, tf.constant(flip), tf.constant(FILL, tf.uint8))


def op(*tensors, **options):
    names = ("image", "label", "scaled", "first", "size", "flip", "fill")
    named = dict(zip(names, tensors, strict=True))
    return build.load().sample_window(**named, **options)


def resize_then_cut(image, label, scaled, first, size, flip, method, antialias):
    """All of it, by tf.image.resize and exact integers, then the window by NumPy."""
    height, width = label.shape
    whole = tf.image.resize(image, scaled, method, antialias=antialias).numpy()
    whole = np.round(np.clip(whole, 0, 255))
    rows = [(2 * i + 1) * height // (2 * scaled[0]) for i in range(scaled[0])]
    columns = [(2 * i + 1) * width // (2 * scaled[1]) for i in range(scaled[1])]
    wide = label[np.ix_(rows, columns)]
    out = np.empty((*size, 3)), np.full(size, 255)
    out[0][:] = FILL
    for y, x in np.ndindex(*size):
        place = y + first[0], x + first[1]
        if all(0 <= i < n for i, n in zip(place, scaled, strict=True)):
            out[0][y, x], out[1][y, x] = whole[place], wide[place]
    return tuple(a[:, ::-1] for a in out) if flip else out


_SIDES = st.tuples(st.integers(1, 33), st.integers(1, 41))


@pytest.mark.ops
@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    old=_SIDES,
    scaled=st.tuples(st.integers(1, 70), st.integers(1, 90)) | st.none(),
    size=st.tuples(st.integers(0, 25), st.integers(0, 37)),
    first=st.tuples(st.integers(-9, 60), st.integers(-9, 60)),
    flip=st.booleans(),
    method=st.sampled_from(METHODS),
    antialias=st.booleans(),
)
def test_both_ways_are_resizing_everything_and_cutting_then(
    old, scaled, size, first, flip, method, antialias
):
    image, label = picture(*old)
    given_ = (image, label, scaled or old, first, size, flip)
    # Without antialiasing, tf.image.resize interpolates between pixels as we do.
    wanted = resize_then_cut(*given_, method, antialias)
    for way in (op, plain):
        found = way(*arguments(*given_), method=method, antialias=antialias)
        np.testing.assert_array_equal(found[1], wanted[1])
        assert np.abs(found[0].numpy() - wanted[0]).max(initial=0) <= 1
        if scaled is None:
            np.testing.assert_array_equal(found[0], wanted[0])


@pytest.mark.ops
@pytest.mark.parametrize("factor", [0.11, 0.25, 0.5, 0.77, 1.0, 1.31, 2.0])
@pytest.mark.parametrize("method", METHODS)
def test_windows_of_a_larger_picture_are_within_a_grey_level(factor, method):
    """Long rows: whole vectors, and what is left of them."""
    image, label = picture(181, 263)
    scaled = (round(181 * factor), round(263 * factor))
    for first in ((0, 0), (scaled[0] // 3, scaled[1] // 2)):
        given_ = (image, label, scaled, first, (67, 91), True)
        wanted = resize_then_cut(*given_, method, True)
        found = op(*arguments(*given_), method=method)
        np.testing.assert_array_equal(found[1], wanted[1])
        assert np.abs(found[0].numpy() - wanted[0]).max() <= 1


@pytest.mark.ops
@pytest.mark.parametrize("factor", [0.3, 0.5, 0.77, 1.31, 2.0])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("antialias", [True, False])
def test_integers_lose_an_eighth_of_a_grey_level_at_most(factor, method, antialias):
    image, label = picture(97, 131)
    scaled = (round(97 * factor), round(131 * factor))
    given_ = (image, label, scaled, (0, 0), scaled, False)
    found = op(*arguments(*given_), method=method, antialias=antialias)[0].numpy()
    floats = arguments(image.astype(np.float32), *given_[1:])
    floats = (*floats[:-1], tf.constant(FILL, tf.float32))
    exact = plain(*floats, method=method, antialias=antialias)[0].numpy()
    assert np.abs(found - exact).max() <= 0.5 + 1 / 8


@pytest.mark.ops
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scaled", [(40, 77), (11, 30), (97, 131)])
def test_an_even_surface_keeps_its_colour(method, scaled):
    image = np.broadcast_to(np.array([0, 131, 255], np.uint8), (33, 61, 3))
    label = np.full((33, 61), 7, np.uint8)
    for flip in (False, True):
        given_ = (image, label, scaled, (0, 0), scaled, flip)
        found = op(*arguments(*given_), method=method)
        assert (found[0] == image[0, 0]).numpy().all()
        assert (found[1] == 7).numpy().all()


def test_floats_stay_floats_and_are_not_rounded():
    image, label = picture(9, 14)
    numbers = arguments(image, label, (13, 11), (2, 1), (7, 5), False)
    floats = tf.cast(numbers[0], tf.float32), *numbers[1:-1]
    found, _ = window.window(*floats, tf.constant(FILL, tf.float32))
    wanted = tf.image.resize(image, (13, 11), "bicubic", antialias=True)[2:9, 1:6]
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, np.clip(wanted, 0, 255), atol=1e-3)
    assert (found.numpy() != np.round(found)).any()


@pytest.mark.ops
def test_a_known_size_is_a_static_shape_and_an_unknown_one_stays_unknown():
    image, label, scaled, first, size, flip, fill = arguments(
        *picture(5, 6), (7, 8), (0, 0), (3, 4), False
    )

    @tf.function(input_signature=[tf.TensorSpec((2,), tf.int32)])
    def shapes(unknown):
        known = op(image, label, scaled, first, size, flip, fill, method="bilinear")
        free = op(image, label, scaled, first, unknown, flip, fill, method="bilinear")
        assert known[0].shape == (3, 4, 3) and known[1].shape == (3, 4)
        assert free[0].shape.as_list() == [None, None, 3]
        return free

    assert shapes(size)[1].shape == (3, 4)


@pytest.mark.ops
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({0: tf.zeros((5, 6, 4), tf.uint8)}, r"\(H, W, 3\)"),
        ({1: tf.zeros((5, 7), tf.uint8)}, r"\(H, W, 3\)"),
        ({2: tf.constant((0, 4))}, "scaled height must be 1"),
        ({2: tf.constant((4, -1))}, "scaled width must be 1"),
        ({2: tf.constant((1, 2, 3))}, "two numbers each"),
        ({3: tf.constant((-(2**30), 0))}, "must begin within"),
        ({4: tf.constant((3, -4))}, "window width must be 0"),
        ({5: tf.constant([True])}, "flip and fill"),
        ({6: tf.zeros((4,), tf.uint8)}, "flip and fill"),
    ],
)
def test_what_does_not_fit_is_refused(changes, said):
    given_ = list(arguments(*picture(5, 6), (7, 8), (0, 0), (3, 4), False))
    for i, value in changes.items():
        given_[i] = value
    with pytest.raises(tf.errors.InvalidArgumentError, match=said):
        op(*given_, method="bicubic")


@pytest.mark.ops
def test_an_empty_picture_is_refused():
    given_ = arguments(*picture(0, 6), (7, 8), (0, 0), (3, 4), False)
    with pytest.raises(tf.errors.InvalidArgumentError, match="height must be 1"):
        op(*given_, method="bicubic")
