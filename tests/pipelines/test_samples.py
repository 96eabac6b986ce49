import numpy as np
import pytest
import tensorflow as tf

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.evaluation.evaluate import evaluate
from hyperseg_tf.pipelines import (
    Dataset,
    RandomCrop,
    RandomFlip,
    RandomScale,
    batches,
    check,
    join,
    load_sample,
    require,
    show,
)
from hyperseg_tf.pipelines.check import inspect
from hyperseg_tf.pipelines.samples import SampleList
from hyperseg_tf.pipelines.stream import decoded_bytes
from tests.pipelines.drawn import CLASSES, Drawn, drawn, with_broken, written
from tests.tiny_segmenter import by_brightness

SHAPES = ((13, 17), (9, 23), (1, 7))
TRAIN = (RandomScale(0.5, 2.0, p=0.5), RandomCrop(6, 5), RandomFlip())


@pytest.fixture(scope="module")
def memory():
    return drawn(7, SHAPES)


@pytest.fixture(scope="module")
def files(memory, tmp_path_factory):
    return written(memory, tmp_path_factory.mktemp("files"))


def collect(data, transforms=TRAIN, count=15, **options):
    options = {"batch_size": 2, "seed": 3, "count": count, **options}
    stream = batches(data, transforms, drop_remainder=False, **options)
    return [array.numpy() for batch in stream for array in batch]


def assert_same(ours, theirs):
    assert len(ours) == len(theirs) > 0
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_check_counts_the_same_pixels_in_memory_as_in_files(memory, files):
    ours, theirs = inspect(memory), inspect(files)
    assert ours.findings == theirs.findings == ()
    np.testing.assert_array_equal(ours.class_pixels, theirs.class_pixels)
    assert ours.void_pixels == theirs.void_pixels > 0
    assert (ours.class_pixels > 0).all()
    require(memory)


def test_samples_hold_the_same_arrays_in_memory_as_in_files(memory, files):
    for i in range(len(memory)):
        ours, theirs = load_sample(memory, i), load_sample(files, i)
        assert_same([*ours.values()], [*theirs.values()])
        assert memory[i].name == files[i].name
        assert memory[i].size() == files[i].size() == SHAPES[i % 3]
    assert decoded_bytes(memory) == decoded_bytes(files)


@pytest.mark.slow
@pytest.mark.parametrize("start", [0, 5])
def test_the_stream_is_the_same_from_memory_as_from_files(memory, files, start):
    theirs = collect(files, cache=False, start=start, parallel=1)
    for cache in (True, False):
        assert_same(collect(memory, cache=cache, start=start), theirs)
        assert_same(collect(files, cache=cache, start=start), theirs)


@pytest.mark.slow
def test_a_subset_streams_its_samples_in_its_order(memory, files):
    options = {"transforms": (), "count": 3, "batch_size": 1, "shuffle": False}
    for data in (memory, files):
        for cache in (True, False):
            whole = collect(data, **{**options, "count": 7})
            some = data.subset(np.array([4, 0, -2]))
            assert len(some) == 3 and [s.name for s in some] == ["04", "00", "05"]
            picked = [a for i in (4, 0, 5) for a in whole[2 * i : 2 * i + 2]]
            assert_same(collect(some, cache=cache, **options), picked)
    assert files.subset([1]).samples.encoding == "index"
    with pytest.raises(IndexError):
        memory.subset([7])


@pytest.mark.slow
def test_memory_and_files_join_in_any_order_as_files_do(memory, files, tmp_path):
    more = drawn(2, SHAPES, "val", seed=1)
    more_files = written(more, tmp_path)
    reference = join([files, more_files])
    theirs = collect(reference, cache=False)
    some = collect(reference.subset([8, 1]), cache=False, count=4)
    for parts in ([memory, more], [memory, more_files], [files, more]):
        both = join(parts)
        assert len(both) == 9 and both.split == "train+val"
        assert [s.name for s in both][6:] == ["06", "00", "01"]
        assert both[-1].name == "01" and both[7] == parts[1][0]
        assert check(both) == []
        for cache in (True, False):
            assert_same(collect(both, cache=cache), theirs)
        assert_same(collect(both.subset([8, 1]), cache=False, count=4), some)


def test_evaluation_scores_the_same_in_memory_as_in_files(memory, files):
    model = by_brightness(CLASSES.names)
    for batch_size in (1, 3):
        ours = evaluate(model, memory, batch_size=batch_size)
        theirs = evaluate(model, files, batch_size=batch_size)
        np.testing.assert_array_equal(ours.matrix, theirs.matrix)
        assert ours.images == 7 and ours.matrix.sum() > 0
    assert (ours.dataset, ours.split) == ("drawn", "train")


def test_samples_of_any_kind_can_be_shown(memory, files, tmp_path):
    ours = show(memory, tmp_path / "ours", 3)
    theirs = show(files, tmp_path / "theirs", 3)
    assert [path.name for path in ours] == [
        "train_00000_00.png",
        "train_00003_03.png",
        "train_00006_06.png",
    ]
    for a, b in zip(ours, theirs, strict=True):
        assert a.name == b.name and a.read_bytes() == b.read_bytes()


def test_a_sample_whose_label_raises_is_named_everywhere(memory):
    data = with_broken(memory, 4)
    named = r"polygons.json#04: .*KeyError: 'corners'"
    (finding,) = check(data)
    assert finding.source == "polygons.json#04"
    with pytest.raises(UserError, match=named):
        require(data)
    with pytest.raises(UserError, match=named):
        load_sample(data, 4)
    with pytest.raises(UserError, match=named):
        data[4].label()
    with pytest.raises(UserError, match=named):
        evaluate(by_brightness(CLASSES.names), data)
    with pytest.raises(UserError, match=named):
        batches(data, TRAIN, batch_size=1, cache=True)
    with pytest.raises(tf.errors.OpError, match=named):
        collect(data, cache=False)


class Unreadable(Drawn):
    def image_bytes(self):
        raise OSError("the archive is gone")


class Odd(Drawn):
    def image_bytes(self):
        return self.contents[:40]


class Lost(Drawn):
    def image_bytes(self):
        raise KeyError("member")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Unreadable, "the archive is gone"),
        (Lost, "KeyError: 'member'"),
        (Odd, "40 bytes"),
    ],
)
def test_a_sample_whose_image_cannot_be_had_is_named(memory, kind, said):
    data = with_broken(memory, 2, kind)
    (finding,) = check(data)
    assert str(finding).startswith("archive.zip:02.jpg: ") and said in str(finding)
    with pytest.raises(tf.errors.OpError, match="archive.zip:02.jpg"):
        collect(data, cache=False)
    with pytest.raises(UserError, match="archive.zip:02.jpg"):
        batches(data, TRAIN, batch_size=1, cache=True)


def labelled(answer):
    class Labelled(Drawn):
        def inspect_label(self):
            return answer, []

    return Labelled


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (np.zeros((13, 17), np.int64), r"found|int64 \(13, 17\)"),
        (np.zeros((13, 17, 1), np.uint8), r"uint8 \(13, 17, 1\)"),
        (None, "NoneType"),
        ([[0]], "list"),
        (np.full((13, 17), 3, np.uint8), r"0..2 or void \(255\): 3 \(221 pixels\)"),
        (np.zeros((17, 13), np.uint8), "image 13x17, label 17x13"),
    ],
)
def test_labels_that_are_none_are_findings(memory, answer, said):
    data = with_broken(memory, 0, labelled(answer))
    (finding,) = check(data)
    assert finding.source == "polygons.json#00"
    with pytest.raises(UserError, match=said):
        load_sample(data, 0)


@pytest.mark.slow
@pytest.mark.parametrize("value", [3, 253, 254])
def test_values_of_no_class_stop_the_stream_by_name(memory, value):
    label = np.zeros((13, 17), np.uint8)
    label[12, 16], label[0, 0] = value, 255
    data = with_broken(memory, 0, labelled(label))
    with pytest.raises(tf.errors.InvalidArgumentError, match="polygons.json#00"):
        collect(data, cache=False)
    with pytest.raises(UserError, match=rf"polygons.json#00.*: {value} \(1 pixels\)"):
        collect(data, cache=True)


def test_sizes_that_differ_stop_the_stream_by_name(memory):
    data = with_broken(memory, 0, labelled(np.zeros((17, 13), np.uint8)))
    with pytest.raises(tf.errors.InvalidArgumentError, match="polygons.json#00"):
        collect(data, cache=False)


def test_one_size_is_demanded_by_the_names_of_the_samples(memory):
    with pytest.raises(UserError) as error:
        batches(memory, (RandomFlip(),), batch_size=2)
    assert "13x17 (archive.zip:00.jpg)" in str(error.value)
    assert "9x23 (archive.zip:01.jpg)" in str(error.value)


def test_names_are_unique_in_a_list(memory):
    with pytest.raises(ValueError, match="'03' twice"):
        SampleList((*memory, memory[3]))
    with pytest.raises(ValueError, match="'03' twice"):
        Dataset("x", memory.directory, "val", CLASSES, [memory[3], memory[3]])
