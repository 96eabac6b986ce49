import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.pipelines import (
    ClassTable,
    Normalise,
    RandomCrop,
    RandomFlip,
    RandomScale,
    batches,
    load_sample,
    open_dataset,
)
from hyperseg_tf.pipelines.stream import decoded_bytes

TRAIN = (RandomScale(0.5, 2.0, p=0.5), RandomCrop(6, 5), RandomFlip())
COUNT = 7


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Seven pairs, every one of its own size; the label's first pixel is its number."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for kind in ("images", "labels"):
        (root / "train" / kind).mkdir(parents=True)
    for n in range(COUNT):
        shape = (4 + n, 9 - n)
        pixels = rng.integers(0, 256, (*shape, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(root / f"train/images/{n}.png")
        Image.fromarray(np.full(shape, n, np.uint8)).save(
            root / f"train/labels/{n}.png"
        )
    ClassTable(tuple("abcdefg"), tuple((n, n, n) for n in range(COUNT)), (255,)).write(
        root / "classes.csv"
    )
    return open_dataset(root, "train")


def collect(stream, steps=None):
    stream = stream if steps is None else stream.take(steps)
    return [(x.numpy(), y.numpy()) for x, y in stream]


def numbers(data, count, **options):
    """Which pair each sample of the stream is."""
    options = {"batch_size": 1, "count": count, "drop_remainder": False, **options}
    return [int(y.flat[0]) for _, y in collect(batches(data, **options))]


def assert_same(ours, theirs):
    assert len(ours) == len(theirs)
    for (x, y), (u, v) in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(x, u)
        np.testing.assert_array_equal(y, v)


def test_a_batch_is_normalised_float_images_and_byte_labels(data):
    stream = batches(data, TRAIN, batch_size=3, seed=1)
    images, labels = stream.element_spec
    assert images.shape == (3, 6, 5, 3) and images.dtype == tf.float32
    assert labels.shape == (3, 6, 5) and labels.dtype == tf.uint8
    ((x, y),) = collect(stream, 1)
    # Padding is void, and the mean colour normalises to about 0.
    assert (y == 255).any() and np.abs(x[y == 255]).max() < 0.01
    assert np.abs(x).max() < 2.7 and x.std() > 0.3


@pytest.mark.slow
def test_normalise_is_not_applied_twice(data):
    once = collect(batches(data, TRAIN, batch_size=2, seed=1), 2)
    assert_same(
        once, collect(batches(data, (*TRAIN, Normalise()), batch_size=2, seed=1), 2)
    )


def test_evaluation_order_is_the_datasets_and_complete(data):
    for i, (x, y) in enumerate(
        collect(batches(data, batch_size=1, shuffle=False, count=len(data)))
    ):
        sample = load_sample(data, i)
        np.testing.assert_array_equal(y[0], sample["label"])
        mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
        expected = (sample["image"] / 255 - mean) / std
        np.testing.assert_allclose(x[0], expected, atol=2e-6)
    assert i == COUNT - 1


def test_every_sample_appears_once_per_pass_in_changing_order(data):
    order = numbers(data, 6 * COUNT, seed=5)
    passes = [tuple(order[i : i + COUNT]) for i in range(0, len(order), COUNT)]
    assert all(sorted(p) == list(range(COUNT)) for p in passes)
    assert len(set(passes)) == 6
    assert numbers(data, 6 * COUNT, seed=6) != order


@pytest.mark.slow
def test_the_order_is_fair(data):
    """Every pair comes first about equally often."""
    order = numbers(data, 300 * COUNT, seed=0)
    first = np.bincount(order[::COUNT], minlength=COUNT)
    assert first.min() > 20 and first.max() < 70


@pytest.fixture(scope="module")
def whole(data):
    """25 samples of one stream, made one at a time from files."""
    options = {"batch_size": 1, "seed": 9, "cache": False, "parallel": 1}
    return collect(batches(data, TRAIN, **options), 25)


@pytest.mark.parametrize(("cache", "parallel"), [(True, 5), (False, None)])
def test_same_seed_same_batches_whatever_runs_in_parallel(data, whole, cache, parallel):
    options = {"batch_size": 2, "cache": cache, "parallel": parallel}
    stream = batches(data, TRAIN, seed=9, **options)
    for _ in range(2):  # and again from the start, when iterated again
        singles = [
            (x[i : i + 1], y[i : i + 1])
            for x, y in collect(stream, 12)
            for i in range(2)
        ]
        assert_same(singles, whole[:24])


@pytest.mark.slow
def test_another_seed_gives_other_batches(data, whole):
    other = collect(batches(data, TRAIN, batch_size=1, seed=10), 25)
    assert all((x != u).any() for (x, _), (u, _) in zip(other, whole, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("start", [1, 7, 20])
def test_resuming_gives_exactly_the_rest(data, whole, start):
    stream = batches(data, TRAIN, batch_size=1, seed=9, start=start)
    assert_same(whole[start:], collect(stream, 25 - start))


@pytest.mark.slow
def test_a_far_start_is_reached_at_once_and_in_order(data):
    far = 10**12 + 3
    assert numbers(data, 5, start=far, shuffle=False) == [
        (far + i) % COUNT for i in range(5)
    ]


@pytest.mark.slow
def test_transforms_differ_between_passes_and_between_transforms(data):
    plain = {"batch_size": 1, "shuffle": False, "count": 12 * COUNT}
    images = collect(batches(data, **plain))
    twice = collect(batches(data, (RandomFlip(), RandomFlip()), **plain))
    flipped = [
        not np.array_equal(x, u) for (x, _), (u, _) in zip(images, twice, strict=True)
    ]
    # Two flips with one seed would always cancel.
    for n in range(COUNT):
        assert set(flipped[n::COUNT]) == {True, False}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "batch_size", "drop", "sizes"),
    [
        (7, 3, False, [3, 3, 1]),
        (7, 3, True, [3, 3]),
        (6, 3, False, [3, 3]),
        (0, 1, 0, []),
    ],
)
def test_counts_and_cardinality(data, count, batch_size, drop, sizes):
    stream = batches(
        data,
        (RandomCrop(4, 4),),
        batch_size=batch_size,
        count=count,
        drop_remainder=bool(drop),
    )
    assert [len(y) for _, y in collect(stream)] == sizes
    assert int(stream.cardinality()) == len(sizes)


@pytest.mark.slow
def test_an_endless_stream_says_so(data):
    stream = batches(data, (RandomCrop(4, 4),), batch_size=2)
    assert stream.cardinality() == tf.data.INFINITE_CARDINALITY


def test_decoded_size_comes_from_the_headers(data):
    assert decoded_bytes(data) == sum(4 * (4 + n) * (9 - n) for n in range(COUNT))


@pytest.mark.slow
def test_colour_masks_stream_like_index_masks(data, tmp_path):
    (tmp_path / "val/images").mkdir(parents=True)
    (tmp_path / "val/labels").mkdir()
    for pair in data:
        image_file, label_file = pair.image_source, pair.label_source
        Image.open(image_file).save(tmp_path / "val/images" / image_file.name)
        Image.open(label_file).convert("RGB").save(
            tmp_path / "val/labels" / label_file.name
        )
    data.classes.write(tmp_path / "classes.csv")
    colour = open_dataset(tmp_path, "val")
    assert colour.samples.encoding == "colour"
    options = {"batch_size": 2, "seed": 1}
    assert_same(
        collect(batches(data, TRAIN, **options), 4),
        collect(batches(colour, TRAIN, **options, cache=False), 4),
    )


@pytest.mark.slow
def test_a_label_that_breaks_after_the_check_stops_the_stream(data, tmp_path):
    (tmp_path / "val/images").mkdir(parents=True)
    (tmp_path / "val/labels").mkdir()
    data.classes.write(tmp_path / "classes.csv")
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "val/images/x.png")
    label_file = tmp_path / "val/labels/x.png"
    for wrong, said in (
        (np.full((4, 4), 200, np.uint8), r"x.png: .*200 \(16 pixels\)"),
        (np.zeros((4, 5), np.uint8), "x.png: .*image 4x4, label 4x5"),
    ):
        Image.fromarray(wrong).save(label_file)
        broken = open_dataset(tmp_path, "val")
        with pytest.raises(tf.errors.InvalidArgumentError, match="data check.*x.png"):
            collect(batches(broken, batch_size=1, count=1, cache=False))
        with pytest.raises(UserError, match=said):
            batches(broken, batch_size=1, count=1, cache=True)


def test_pictures_of_different_size_are_refused_in_a_batch_of_several(data):
    with pytest.raises(UserError) as error:
        batches(data, (RandomFlip(),), batch_size=2)
    assert "4x9" in str(error.value) and "0.png" in str(error.value)
    assert "5x8" in str(error.value) and "batch size to 1" in str(error.value)


def test_wrong_arguments_are_value_errors(data):
    for wrong in ({"batch_size": 0}, {"start": -1}, {"count": -1}):
        with pytest.raises(ValueError, match="got"):
            batches(data, **{"batch_size": 1, **wrong})


@pytest.mark.slow
@pytest.mark.parametrize("replacement", [False, True])
def test_the_parts_of_a_batch_are_the_batch(data, replacement):
    options = {"batch_size": 6, "start": 12, "seed": 3, "replacement": replacement}
    want = collect(batches(data, TRAIN, **options), 3)
    parts = [
        collect(batches(data, TRAIN, part=(index, 3), **options), 3)
        for index in range(3)
    ]
    joined = [
        tuple(np.concatenate(arrays) for arrays in zip(*batch, strict=True))
        for batch in zip(*parts, strict=True)
    ]
    assert_same(joined, want)


@pytest.mark.parametrize("part", [(2, 2), (-1, 2), (0, 4)])
def test_unequal_parts_are_refused(data, part):
    with pytest.raises(ValueError, match="equal parts"):
        batches(data, TRAIN, batch_size=6, part=part)
    with pytest.raises(ValueError, match="whole batches"):
        batches(data, TRAIN, batch_size=6, count=7, part=(0, 2))
