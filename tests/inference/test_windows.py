import tracemalloc
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from hyperseg_tf.inference import windows
from hyperseg_tf.inference.finite import NotFinite
from hyperseg_tf.inference.passes import Passes
from hyperseg_tf.inference.segmenter import Segmenter
from tests.tiny_segmenter import by_brightness


def picture(height, width, seed=0, count=1):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, height, width, 3), np.uint8)


def best(logits):
    return logits.argmax(-1).astype(np.uint8)


def of_pixels(crops):
    """Logits that follow from the pixel alone."""
    return crops.astype(np.float32)


@pytest.mark.parametrize("size", [(7, 13), (29, 7), (31, 64), (100, 33)])
@pytest.mark.parametrize("window", [(7, 7), (16, 9), (40, 40), (99, 1)])
@pytest.mark.parametrize("overlap", [0, 0.25, 0.5, 0.9])
def test_what_depends_on_the_pixel_alone_is_that_of_the_whole(size, window, overlap):
    images = picture(*size, count=2)
    images[..., 1] = 128  # so that rounding decides nothing
    images[..., 0], images[..., 2] = images[..., 0] // 2 * 2, images[..., 2] // 2 * 2
    images[..., 2][images[..., 2] == images[..., 0]] = 1
    found = windows.class_maps(of_pixels, best, images, window, overlap)
    np.testing.assert_array_equal(found, best(of_pixels(images)))


@pytest.mark.parametrize(("height", "width"), [(30, 50), (50, 30)])
def test_logits_fade_from_window_to_window(height, width):
    """Held against sums over all windows in whole arrays."""
    images = picture(height, width)
    calls = []

    def logits(crops):
        calls.append(crops.shape[1:3])
        mean = crops.astype(np.float32).mean(axis=(1, 2), keepdims=True)
        return crops.astype(np.float32) / 8 + mean  # differs from window to window

    seen = []
    window, overlap = (13, 17), 0.4
    windows.class_maps(logits, lambda x: seen.append(x) or best(x), images, window, 0.4)
    assert set(calls) == {window}
    total = np.zeros((height, width, 3), np.float32)
    tops, lefts = (
        windows.starts(n, w, overlap)
        for n, w in zip(images.shape[1:3], window, strict=True)
    )
    rows, columns = (
        windows.ramps(n, w, begins)
        for n, w, begins in zip((height, width), window, (tops, lefts), strict=True)
    )
    for top, down in zip(tops, rows, strict=True):
        for left, across in zip(lefts, columns, strict=True):
            here = slice(top, top + 13), slice(left, left + 17)
            part = logits(images[(slice(None), *here)])[0]
            total[here] += part * down[:, None, None] * across[:, None]
    np.testing.assert_array_equal(
        windows.class_maps(logits, best, images, window, overlap)[0], best(total)
    )
    assert sum(x.shape[1] * x.shape[2] for x in seen) == height * width


def test_windows_cover_evenly_with_the_overlap_and_weights_of_one():
    assert windows.starts(10, 10, 0.25) == [0]
    assert windows.starts(11, 10, 0.0) == [0, 1]
    assert windows.starts(100, 40, 0.25) == [0, 30, 60]
    for length, window, overlap in ((101, 40, 0.25), (64, 7, 0.9), (90, 31, 0.5)):
        begins = windows.starts(length, window, overlap)
        assert begins[0] == 0 and begins[-1] == length - window
        shared = window - np.diff(begins).max()
        assert shared >= round(overlap * window) - 1
        total = np.zeros(length)
        for begin, weight in zip(
            begins, windows.ramps(length, window, begins), strict=True
        ):
            assert (weight > 0).all()
            total[begin : begin + window] += weight
        np.testing.assert_allclose(total, 1, rtol=1e-6)


def test_memory_does_not_grow_with_the_picture():
    def peak(height, width):
        images = picture(height, width)
        tracemalloc.start()
        windows.class_maps(
            lambda crops: np.zeros((*crops.shape[:3], 19), np.float32),
            lambda logits: np.zeros(logits.shape[:3], np.uint8),
            images,
            (64, 64),
            0.25,
        )
        found = tracemalloc.get_traced_memory()[1] - height * width
        tracemalloc.stop()
        return found

    small = peak(200, 150)
    # Longer alone: the same. Sixteen times the pixels: the strip alone, four times.
    assert peak(3000, 150) < 1.1 * small and peak(150, 3000) < 1.2 * small + 150 * 3000
    strip = (64 - 48) * 150 * 19 * 4
    assert peak(800, 600) < small + 2 * 4 * strip


@pytest.fixture(scope="module")
def model():
    """A network whose logits depend on what lies around a pixel."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 9, padding="same", activation="tanh")(inputs)
    return keras.Model(inputs, keras.layers.Conv2D(3, 1)(x))


def test_one_window_over_the_picture_is_the_whole(model):
    images = picture(70, 100)
    whole = Segmenter(model)
    for window in ((70, 100), (200, 300)):
        of = Segmenter(model, passes=Passes(window=window))
        np.testing.assert_array_equal(of.class_maps(images), whole.class_maps(images))
    parts = Segmenter(model, passes=Passes(window=(64, 64))).class_maps(images)
    assert parts.shape == (1, 70, 100)
    assert (parts != whole.class_maps(images)).any()  # it sees less around


def test_what_is_too_large_as_a_whole_is_seen_through_windows():
    of = Segmenter(by_brightness(), max_pixels=64 * 64)
    assert of.window((64, 64)) is None and of.window((65, 64)) == (1024, 1024)
    assert Segmenter(by_brightness()).window((9999, 9999)) is None
    larger = Passes(scales=(1.0, 2.0))
    of = Segmenter(by_brightness(), passes=larger, max_pixels=64 * 64)
    assert of.window((32, 32)) is None and of.window((33, 32)) is not None
    model = by_brightness()
    model.preset = SimpleNamespace(image_size=(96, 128), size_multiple=32)
    assert Segmenter(model, max_pixels=64 * 64).window((65, 64)) == (96, 128)


def test_a_window_that_is_not_finite_ends_it_by_its_image():
    images = np.full((2, 64, 32, 3), 124, np.uint8)
    images[1, 50:] = 255
    model = by_brightness()
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([np.abs(kernel) * 3e38, bias])
    with pytest.raises(NotFinite) as error:
        Segmenter(model, passes=Passes(window=(32, 32))).class_maps(images)
    assert error.value.index == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"window": (31, 64)}, "32 pixels to a side or more: got 31x64"),
        ({"overlap": 0.95}, "0..0.9: got 0.95"),
        ({"overlap": float("nan")}, "overlap"),
        ({"scales": ()}, "scales"),
        ({"scales": (1.0, 0.0)}, "positive"),
        ({"flip": "both"}, "none, mean, max: got 'both'"),
    ],
)
def test_passes_that_cannot_be_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Passes(**arguments)
    with pytest.raises(ValueError, match="leave out one"):
        Segmenter(by_brightness(), (64, 64), Passes(window=(64, 64)))
