from fractions import Fraction
from math import floor

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from hyperseg_tf.pipelines import (
    Normalise,
    PadTo,
    RandomCrop,
    RandomFlip,
    RandomScale,
    Resize,
    VoidToClass,
)

MEAN = (124, 116, 104)  # ImageNet's mean colour in bytes


def make(height, width, dtype=np.uint8, seed=0):
    """Every pixel different, and the label told by the image's red channel."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 11, (height, width)).astype(np.uint8)
    image = rng.integers(0, 256, (height, width, 3))
    image[..., 0] = label * 20
    return {"image": tf.constant(image, dtype), "label": tf.constant(label)}


def apply(transform, sample, *numbers):
    seed = tf.constant([7, *numbers] if numbers else [7, 0], tf.int64)
    sample = {key: tf.constant(value) for key, value in sample.items()}
    return {key: value.numpy() for key, value in transform(sample, seed).items()}


@pytest.mark.parametrize("shape", [(1, 1), (7, 13), (24, 10), (40, 50)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_crop_takes_a_window_of_the_doubly_padded_picture(shape, dtype):
    """As published: padded by the lack on both sides, then cut anywhere."""
    sample = make(*shape, dtype)
    image, label = sample["image"].numpy(), sample["label"].numpy()
    height, width = 17, 21
    lack = [max(0, height - shape[0]), max(0, width - shape[1])]
    pads = [(lack[0], lack[0]), (lack[1], lack[1])]
    fill = np.round([123.675, 116.28, 103.53]) if dtype == np.uint8 else None
    fill = np.array([123.675, 116.28, 103.53]) if fill is None else fill
    wide_label = np.pad(label, pads, constant_values=255)
    wide_image = np.pad(image, [*pads, (0, 0)])
    outside = np.pad(np.zeros(shape, bool), pads, constant_values=True)
    wide_image[outside] = fill.astype(dtype)
    windows = np.lib.stride_tricks.sliding_window_view(wide_label, (height, width))
    crop = tf.function(RandomCrop(height, width))
    places = set()
    for n in range(40):
        out = {k: v.numpy() for k, v in crop(sample, tf.constant([3, n])).items()}
        assert out["image"].dtype == dtype and out["label"].dtype == np.uint8
        found = [
            (y, x)
            for y, x in np.ndindex(*windows.shape[:2])
            if np.array_equal(windows[y, x], out["label"])
        ]
        assert len(found) == 1
        (y, x) = found[0]
        np.testing.assert_allclose(
            out["image"], wide_image[y : y + height, x : x + width], rtol=1e-6
        )
        places.add((y, x))
    room = windows.shape[:2]
    assert len(places) > 10 or room == (1, 1)
    # A picture that is too small is always whole.
    if all(lack):
        assert (out["label"] != 255).sum() == label.size


def test_crop_reaches_both_ends_evenly():
    sample = make(4, 9)
    first = sample["label"].numpy()
    crop = tf.function(RandomCrop(4, 7))
    places = []
    for n in range(300):
        out = crop(sample, tf.constant([0, n]))["label"].numpy()
        places += [x for x in range(3) if np.array_equal(first[:, x : x + 7], out)]
    counts = np.bincount(places, minlength=3)
    assert counts.sum() == 300 and counts.min() > 70


def test_crop_of_exactly_the_picture_is_the_picture():
    sample = make(7, 13)
    out = apply(RandomCrop(7, 13), sample)
    np.testing.assert_array_equal(out["image"], sample["image"])
    np.testing.assert_array_equal(out["label"], sample["label"])


def test_crop_makes_the_shape_static():
    spec = {
        "image": tf.TensorSpec((None, None, 3), tf.uint8),
        "label": tf.TensorSpec((None, None), tf.uint8),
    }
    crop = tf.function(RandomCrop(5, 6)).get_concrete_function(
        spec, tf.TensorSpec((2,), tf.int64)
    )
    shapes = crop.structured_outputs
    assert shapes["image"].shape == (5, 6, 3) and shapes["label"].shape == (5, 6)


@pytest.mark.parametrize("old", [(1, 1), (7, 13), (36, 48)])
@pytest.mark.parametrize("new", [(1, 1), (5, 31), (36, 48), (71, 20)])
def test_labels_take_the_pixel_under_the_new_pixels_centre(old, new):
    sample = make(*old)
    label = sample["label"].numpy()
    out = apply(Resize(*new), sample)["label"]
    # Exact fractions; Pillow's sum of floats may fall below a whole number.
    rows, columns = (
        [floor(Fraction(2 * i + 1, 2) * Fraction(a, b)) for i in range(b)]
        for a, b in zip(old, new, strict=True)
    )
    np.testing.assert_array_equal(out, label[np.ix_(rows, columns)])
    theirs = Image.fromarray(label).resize(new[::-1], Image.NEAREST)
    assert (np.asarray(theirs) != out).mean() < 0.15


@pytest.mark.parametrize("method", ["bicubic", "bilinear"])
@pytest.mark.parametrize("new", [(20, 27), (45, 95)])
def test_images_are_resized_with_antialiasing_like_pillows(method, new):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (40, 50, 3)).astype(np.uint8)
    sample = {"image": tf.constant(image), "label": tf.zeros((40, 50), tf.uint8)}
    out = apply(Resize(*new, method=method), sample)["image"]
    kind = {"bicubic": Image.BICUBIC, "bilinear": Image.BILINEAR}[method]
    expected = np.asarray(Image.fromarray(image).resize(new[::-1], kind))
    # Pillow rounds to bytes between rows and columns.
    difference = np.abs(out.astype(int) - expected)
    assert out.dtype == np.uint8 and difference.mean() < 0.5
    # White noise overshoots everywhere: without clipping bytes would wrap around.
    assert difference.max() < 40


def test_image_and_label_stay_aligned_when_scaled():
    """A bright square stays where the label says it is."""
    label = np.zeros((37, 53), np.uint8)
    label[9:21, 30:44] = 1
    image = np.repeat(label[..., None] * 255, 3, axis=2)
    sample = {"image": tf.constant(image), "label": tf.constant(label)}
    for n, scale in enumerate((0.5, 0.77, 1.0, 1.31, 2.0)):
        out = apply(RandomScale(scale, scale), sample, n)
        assert out["label"].shape == (round(37 * scale), round(53 * scale))
        seen = out["image"][..., 1] > 127
        assert (seen != (out["label"] == 1)).mean() < 0.03
        ys, xs = np.nonzero(seen)
        ly, lx = np.nonzero(out["label"])
        assert abs(ys.mean() - ly.mean()) < 0.5 and abs(xs.mean() - lx.mean()) < 0.5


def test_scale_factors_fill_their_range_and_p_leaves_the_rest_alone():
    sample = make(100, 60)
    scale = tf.function(RandomScale(0.5, 2.0, p=0.5, method="bilinear"))
    heights = np.array(
        [scale(sample, tf.constant([1, n]))["label"].shape[0] for n in range(200)]
    )
    assert 70 < (heights == 100).sum() < 135
    scaled = heights[heights != 100]
    assert scaled.min() >= 50 and scaled.max() <= 200
    assert scaled.min() < 65 and scaled.max() > 185
    assert abs(np.mean(scaled) - 125) < 15


def test_scale_never_loses_the_picture():
    out = apply(RandomScale(0.1, 0.1), make(3, 4))
    assert out["image"].shape == (1, 1, 3) and out["label"].shape == (1, 1)


def test_bicubic_stays_within_bytes_and_keeps_the_dtype():
    stripes = np.zeros((8, 16, 3), np.float32)
    stripes[:, 8:] = 255
    sample = {"image": tf.constant(stripes), "label": tf.zeros((8, 16), tf.uint8)}
    out = apply(Resize(16, 33), sample)["image"]
    assert out.dtype == np.float32 and out.min() == 0 and out.max() == 255


def test_flip_mirrors_both_or_neither():
    sample = make(5, 7)
    image, label = sample["image"].numpy(), sample["label"].numpy()
    flips = 0
    for n in range(60):
        out = apply(RandomFlip(), sample, n)
        flipped = not np.array_equal(out["label"], label)
        flips += flipped
        expected = image[:, ::-1] if flipped else image
        np.testing.assert_array_equal(out["image"], expected)
        if flipped:
            np.testing.assert_array_equal(out["label"], label[:, ::-1])
    assert 15 < flips < 45
    always = apply(RandomFlip(1.0), sample)
    np.testing.assert_array_equal(always["label"], label[:, ::-1])
    never = apply(RandomFlip(0.0), sample)
    np.testing.assert_array_equal(never["label"], label)


def test_pad_to_fills_right_and_bottom_with_mean_and_void():
    sample = make(3, 9)
    out = apply(PadTo(5, 7), sample)
    assert out["label"].shape == (5, 9)
    np.testing.assert_array_equal(out["label"][:3], sample["label"])
    assert (out["label"][3:] == 255).all()
    assert (out["image"][3:] == MEAN).all()


def test_normalise_is_imagenets_and_padding_normalises_to_about_zero():
    sample = make(3, 4)
    out = apply(Normalise(), sample)["image"]
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    expected = (sample["image"].numpy() / 255 - mean) / std
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, expected, atol=2e-6)
    padded = apply(Normalise(), apply(PadTo(9, 9), sample))["image"]
    assert np.abs(padded[3:]).max() < 0.01


def test_same_seed_same_result_other_seed_another():
    sample = make(30, 40)
    for transform in (RandomScale(0.5, 2.0), RandomCrop(11, 13)):
        a, b, c = (apply(transform, sample, n) for n in (1, 1, 2))
        np.testing.assert_array_equal(a["image"], b["image"])
        assert a["image"].shape != c["image"].shape or (a["image"] != c["image"]).any()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: RandomScale(0, 1),
        lambda: RandomScale(2, 1),
        lambda: RandomScale(1, 2, p=1.5),
        lambda: RandomScale(1, 2, method="nearest"),
        lambda: RandomCrop(0, 3),
        lambda: RandomFlip(-0.1),
        lambda: Resize(3, 0),
        lambda: PadTo(-1, 4),
    ],
)
def test_wrong_arguments_are_value_errors(wrong):
    with pytest.raises(ValueError, match="got"):
        wrong()


def test_void_to_class_leaves_padding_void():
    label = np.array([[0, 255], [1, 0]], "uint8")
    sample = {"image": tf.zeros((2, 2, 3), tf.uint8), "label": tf.constant(label)}
    learnt = VoidToClass(2)(sample, tf.constant([0, 0]))
    np.testing.assert_array_equal(learnt["label"], [[0, 2], [1, 0]])
    padded = PadTo(3, 2)(learnt, tf.constant([0, 0]))
    np.testing.assert_array_equal(padded["label"][2], [255, 255])
