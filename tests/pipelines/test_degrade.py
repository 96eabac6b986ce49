"""Blur, JPEG, cutout, CutMix and the class-balanced crop."""

from io import BytesIO

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from scipy import ndimage

from hyperseg_tf.pipelines import BalancedCrop, CutMix, Cutout, RandomBlur, RandomJpeg
from hyperseg_tf.pipelines.transforms.cutout import rectangle
from tests.pipelines.test_transforms import MEAN, apply, make


@pytest.mark.parametrize("deviation", [0.3, 1.0, 2.2])
@pytest.mark.parametrize("shape", [(19, 23), (3, 40)])
def test_blur_is_a_gaussian_of_the_pixels_that_are_there(deviation, shape):
    sample = make(*shape)
    blur = tf.function(RandomBlur(deviation, deviation, p=1.0))
    out = blur(sample, tf.constant([1, 2]))
    image = sample["image"].numpy().astype(float)
    options = {"mode": "constant", "radius": int(np.ceil(3 * deviation))}
    there = ndimage.gaussian_filter(np.ones(shape), deviation, **options)
    for c in range(3):
        wanted = ndimage.gaussian_filter(image[..., c], deviation, **options) / there
        assert np.abs(out["image"].numpy()[..., c] - wanted).max() <= 0.51
    np.testing.assert_array_equal(out["label"], sample["label"])


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_jpeg_is_a_picture_saved_and_read_again(dtype):
    y, x = np.mgrid[:29, :43]
    image = np.stack([5 * x, 6 * y, 3 * x + 2 * y], axis=-1).astype(np.uint8)
    sample = {"image": tf.constant(image, dtype), "label": tf.zeros((29, 43), tf.uint8)}
    out = apply(RandomJpeg(40, 40, p=1.0), sample)["image"]
    file = BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=40)
    wanted = np.asarray(Image.open(file)).astype(int)
    assert out.dtype == dtype and (out != image).any()
    assert np.abs(out.astype(int) - wanted).mean() < 1
    qualities = {
        apply(RandomJpeg(10, 12, p=1.0), sample, n)["image"].tobytes()
        for n in range(30)
    }
    assert len(qualities) == 3


@pytest.mark.parametrize("transform", [RandomBlur, RandomJpeg, Cutout])
def test_half_of_the_samples_stay_as_they_are(transform):
    sample = make(13, 17)
    step = tf.function(transform())
    same = [
        np.array_equal(step(sample, tf.constant([6, n]))["image"], sample["image"])
        for n in range(60)
    ]
    assert 15 < sum(same) < 45
    never = transform(p=0.0)(sample, tf.constant([6, 1]))
    np.testing.assert_array_equal(never["image"], sample["image"])


def test_cutout_covers_image_and_label_alike():
    sample = make(20, 30)
    shares = []
    for n in range(40):
        out = apply(Cutout(0.1, 0.4, p=1.0), sample, n)
        gone = out["label"] == 255
        shares.append(gone.mean())
        rows, columns = np.nonzero(gone.any(1))[0], np.nonzero(gone.any(0))[0]
        assert gone[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        assert (out["image"][gone] == MEAN).all()
        np.testing.assert_array_equal(out["image"][~gone], sample["image"][~gone])
    assert 0.07 < min(shares) < 0.17 and 0.33 < max(shares) < 0.44
    kept = apply(Cutout(0.3, 0.3, p=1.0, fill=(1, 2, 3), keep_label=True), sample)
    np.testing.assert_array_equal(kept["label"], sample["label"])
    assert (kept["image"] == (1, 2, 3)).all(-1).mean() > 0.25


def test_a_rectangle_reaches_every_corner_and_never_leaves():
    size = tf.constant((5, 7))
    draws = [tf.constant(d) for d in ((0.0, 0.0), (0.99999, 0.99999))]
    first, last = (rectangle(size, 0.16, 0.25, d).numpy() for d in draws)
    assert first.sum() == last.sum() == 2 * 4
    assert first[0, 0] and last[-1, -1]
    assert rectangle(size, 4.0, 1.0, draws[1]).numpy().all()


def test_cutmix_shows_the_partner_in_a_rectangle():
    sample = make(20, 30)
    other = {
        "image": tf.fill((20, 30, 3), tf.constant(9, tf.uint8)),
        "label": tf.fill((20, 30), tf.constant(77, tf.uint8)),
    }
    asked = []

    def partner(seed):
        asked.append(tuple(seed.numpy()))
        return other

    shares = []
    for n in range(40):
        out = CutMix(0.1, 0.5, p=0.5).mix(sample, partner, tf.constant([2, n]))
        mixed = out["label"].numpy() == 77
        shares.append(mixed.mean())
        np.testing.assert_array_equal(out["image"].numpy()[mixed], 9)
        for key in ("image", "label"):
            np.testing.assert_array_equal(
                out[key].numpy()[~mixed], sample[key].numpy()[~mixed]
            )
    # The partner is read only where it is shown, each time with another seed.
    assert len(asked) == len(set(asked)) == np.count_nonzero(shares)
    assert 8 < len(asked) < 32 and max(shares) < 0.56


@pytest.mark.slow
def test_a_rare_class_is_in_every_balanced_crop_that_drew_it():
    label = np.zeros((40, 60), np.uint8)
    label[33, 51] = 4
    label[5, 5] = 255
    image = np.repeat(label[..., None], 3, 2)
    sample = {"image": tf.constant(image), "label": tf.constant(label)}
    crop = tf.function(BalancedCrop(10, 12))
    there, places = 0, set()
    for n in range(60):
        out = crop(sample, tf.constant([3, n]))
        assert out["label"].shape == (10, 12)
        found = np.argwhere(out["label"].numpy() == 4)
        there += len(found)
        places |= set(map(tuple, found))
        np.testing.assert_array_equal(out["image"][..., 0], out["label"])
    # Two classes, void is none: half of the windows draw the rare one.
    assert 18 < there < 45 and len(places) > 10
    always = tf.function(BalancedCrop(10, 12, classes=(4, 9)))
    assert all(
        (always(sample, tf.constant([4, n]))["label"].numpy() == 4).any()
        for n in range(20)
    )


def test_a_balanced_crop_of_nothing_wanted_or_of_little_is_still_a_crop():
    sample = make(4, 30)
    for crop in (BalancedCrop(9, 7, classes=(200,)), BalancedCrop(9, 7, p=0.0)):
        out = apply(crop, sample)
        assert (out["label"] != 255).sum() == 4 * 7
    void = {**sample, "label": tf.fill((4, 30), tf.constant(255, tf.uint8))}
    assert apply(BalancedCrop(9, 7), void)["label"].shape == (9, 7)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: RandomBlur(0, 1),
        lambda: RandomBlur(2, 1),
        lambda: RandomJpeg(0, 50),
        lambda: RandomJpeg(50, 101),
        lambda: Cutout(0.5, 0.2),
        lambda: Cutout(stretch=0.5),
        lambda: CutMix(0.1, 1.5),
        lambda: CutMix(p=-1),
        lambda: BalancedCrop(0, 3),
        lambda: BalancedCrop(3, 3, classes=(255,)),
    ],
)
def test_wrong_arguments_are_value_errors(wrong):
    with pytest.raises(ValueError, match="got"):
        wrong()
