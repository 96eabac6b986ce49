"""Sample n of a stream follows from its seed and n, whichever transforms it has."""

import hashlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from hyperseg_tf.base import pixels
from hyperseg_tf.pipelines import (
    BalancedCrop,
    ClassTable,
    ColourJitter,
    CutMix,
    Cutout,
    Normalise,
    PadTo,
    RandomBlur,
    RandomCrop,
    RandomFlip,
    RandomJpeg,
    RandomRotate,
    RandomScale,
    batches,
    open_dataset,
)

CHAINS = {
    "voc": (
        RandomFlip(),
        ColourJitter(0.5, 0.5, 0.5, 0.5),
        RandomScale(0.25, 0.9, p=0.5),
        RandomRotate(30),
        PadTo(24, 32),
    ),
    "cityscapes_s": (
        RandomScale(0.375, 1.5, p=0.5),
        RandomCrop(16, 16, fill=(0, 0, 0)),
        RandomFlip(),
        ColourJitter(0.25, 0.25, 0.25, 0.25),
    ),
    "beyond": (
        RandomScale(0.5, 2.0, method="bilinear", antialias=False),
        BalancedCrop(16, 18),
        RandomBlur(),
        RandomJpeg(),
        Cutout(),
        CutMix(),
        RandomFlip(),
    ),
}
COUNT = 100


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for kind in ("images", "labels"):
        (root / "train" / kind).mkdir(parents=True)
    for n in range(5):
        shape = (20 + n, 32 - n)
        image = rng.integers(0, 256, (*shape, 3)).astype(np.uint8)
        label = rng.integers(0, 4, shape).astype(np.uint8)
        Image.fromarray(image).save(root / f"train/images/{n}.png")
        Image.fromarray(label).save(root / f"train/labels/{n}.png")
    ClassTable(tuple("abcd"), tuple((n, n, n) for n in range(4)), (255,)).write(
        root / "classes.csv"
    )
    return open_dataset(root, "train")


def hashes(data, chain, count=COUNT, **options):
    stream = batches(data, CHAINS[chain], batch_size=2, seed=3, **options)
    return [
        hashlib.sha256(x.numpy().tobytes() + y.numpy().tobytes()).hexdigest()
        for x, y in stream.take(count)
    ]


@pytest.mark.slow  # tracing the graphs of many transforms
@pytest.mark.parametrize("chain", CHAINS)
def test_100_batches_are_the_same_whatever_runs_in_parallel_and_from_anywhere(
    data, chain
):
    whole = hashes(data, chain, parallel=1)
    assert len(set(whole)) == COUNT
    for parallel in (2, 8):
        assert hashes(data, chain, parallel=parallel) == whole
    assert hashes(data, chain, 60, start=80, cache=False) == whole[40:]


@pytest.mark.slow
def test_drawn_with_replacement_is_repeatable_resumable_and_from_all(data):
    whole = hashes(data, "cityscapes_s", replacement=True, parallel=1)
    assert hashes(data, "cityscapes_s", replacement=True, parallel=8) == whole
    rest = hashes(data, "cityscapes_s", 30, replacement=True, start=140)
    assert rest == whole[70:]
    sizes = []
    options = {"batch_size": 1, "count": 500, "seed": 1, "replacement": True}
    for _, y in batches(data, **options):
        sizes.append(int(y.shape[1]) - 20)
    counts = np.bincount(sizes, minlength=5)
    assert counts.min() > 70 and counts.max() < 135
    # A pass of five has all of them in one of 26 cases.
    passes = np.reshape(sizes, (-1, 5))
    assert sum(len(set(p)) == 5 for p in passes) < 15


@pytest.mark.slow
@pytest.mark.parametrize("chain", CHAINS)
def test_bytes_are_what_floats_are_made_of(data, chain):
    options = {"batch_size": 3, "seed": 2, "count": 12}
    floats = batches(data, CHAINS[chain], **options)
    whole = batches(data, CHAINS[chain], **options, dtype="uint8")
    assert whole.element_spec[0].dtype == tf.uint8
    for (x, y), (u, v) in zip(floats, whole, strict=True):
        np.testing.assert_array_equal(x, pixels.normalise(u.numpy()))
        np.testing.assert_array_equal(y, v)


def test_arguments_that_do_not_go_together_are_refused(data):
    for wrong, said in (
        ({"dtype": "float16"}, "one of float32, uint8"),
        ({"replacement": True, "shuffle": False}, "random order only"),
    ):
        with pytest.raises(ValueError, match=said):
            batches(data, batch_size=1, **wrong)
    with pytest.raises(ValueError, match="put it last"):
        batches(data, (Normalise(), RandomFlip()), batch_size=1, dtype="uint8")
