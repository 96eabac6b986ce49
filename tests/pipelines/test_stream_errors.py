import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.pipelines import Normalise, RandomCrop, Stream, open_dataset
from hyperseg_tf.pipelines.stream import order
from tests.training.tiny_run import write_data


@pytest.fixture
def dataset(tmp_path):
    return open_dataset(write_data(tmp_path / "data"), "train")


def _in_order(dataset, **options):
    options = {"batch_size": 2, "shuffle": False, "cache": False, **options}
    return Stream(dataset, (RandomCrop(12, 14), Normalise()), **options)


def _evaluation(dataset):
    options = {"count": len(dataset), "drop_remainder": False}
    return _in_order(dataset, prefetch=0, parallel=1, **options)


def _vanish(image, label):
    label.unlink()


def _break(image, label):
    image.write_bytes(image.read_bytes()[:60])


def _relabel(image, label):
    Image.fromarray(np.full((13, 17), 9, "uint8")).save(label)


def _resize(image, label):
    Image.fromarray(np.zeros((13, 18), "uint8")).save(label)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_vanish, "labels/9.png: every listed file can be read: No such file"),
        (_break, "images/9.png: the file can be decoded to its end"),
        (_relabel, "labels/9.png: label values are those of the 3 classes"),
        (_resize, "labels/9.png: image and label have the same size"),
    ],
)
def test_a_file_that_changed_since_the_check_is_named(tmp_path, change, said):
    # So many that what is read ahead ends before the one that changes.
    dataset = open_dataset(write_data(tmp_path / "data", train=40), "train")
    taken = iter(_evaluation(dataset))
    first = [next(taken) for _ in range(1)]
    (i,) = (n for n, one in enumerate(dataset) if one.name == "9")
    change(dataset[i].image_source, dataset[i].label_source)
    with pytest.raises(UserError, match=said):
        first += list(taken)
    assert 1 <= len(first) <= i // 2


@pytest.mark.slow
def test_all_batches_come_when_nothing_is_wrong(dataset):
    found = _evaluation(dataset)
    expected = list(found.batches)
    assert len(expected) == 4
    for _ in range(2):
        for (a, b), (c, d) in zip(found, expected, strict=True):
            np.testing.assert_array_equal(a, c)
            np.testing.assert_array_equal(b, d)


def test_the_batch_is_found_in_a_shuffled_stream_that_starts_anywhere(dataset):
    stream = _in_order(dataset, shuffle=True, seed=3, start=8)
    of_batch_5 = [int(at) for _, at in order(len(dataset), 3, 8 + 5 * 2, 2, True)]
    dataset[of_batch_5[0]].image_source.unlink()
    with pytest.raises(UserError, match=f"{of_batch_5[0]}.png: every listed file can"):
        stream.require(5)


def test_sizes_that_do_not_go_together_any_more_are_named(dataset):
    options = {"count": len(dataset), "shuffle": False, "cache": False}
    stream = Stream(dataset, batch_size=2, **options)
    sample = dataset[1]
    Image.fromarray(np.zeros((20, 30, 3), "uint8")).save(sample.image_source)
    Image.fromarray(np.zeros((20, 30), "uint8")).save(sample.label_source)
    with pytest.raises(UserError, match="found 13x17 .* and 20x30 .*1.png"):
        list(stream)


@pytest.mark.slow
def test_a_file_that_is_back_when_it_is_looked_at_is_no_traceback(dataset):
    with pytest.raises(UserError, match="NotFoundError, though all can be read now"):
        with _in_order(dataset).naming(lambda: 0):
            raise tf.errors.NotFoundError(None, None, "x.png; No such file")


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", [tf.errors.InvalidArgumentError, tf.errors.ResourceExhaustedError]
)
def test_an_error_of_the_network_stays_its_own(dataset, kind):
    with pytest.raises(kind), _in_order(dataset).naming(lambda: 0):
        raise kind(None, None, "not the stream")
