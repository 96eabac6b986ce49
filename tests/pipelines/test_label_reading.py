from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.evaluation.label_ids import values_of
from hyperseg_tf.pipelines import (
    ClassTable,
    batches,
    convert,
    load_sample,
    open_dataset,
    read_by,
)
from hyperseg_tf.pipelines.label_reading import UNKNOWN, LabelReading
from tests.pipelines.folders import TWO_VALUES

FOUR = ClassTable(
    ("a", "b", "c", "d"),
    ((10, 0, 0), (0, 20, 0), (0, 0, 30), (200, 100, 50)),
    (255,),
    ((0, 0, 0),),
    values=(0, 1, 5, 9),
)


def read(rules, table=FOUR):
    return replace(table, reading=LabelReading.parse(rules))


@pytest.mark.parametrize(
    "rules",
    ["", "0=0,255=1", "first=1", "grey,0=void,7=3,nearest", "bgr,nearest"],
)
def test_a_reading_is_its_text(rules):
    assert str(LabelReading.parse(rules)) == rules


def test_values_mean_what_is_said_and_others_nothing():
    table = read("0=5,127=1,255=0,3=void").index_table()
    assert [table[v] for v in (0, 127, 255, 3)] == [2, 1, 0, 255]
    assert (np.delete(table, [0, 3, 127, 255]) == UNKNOWN).all()


def test_what_is_not_renamed_to_a_class_stays_void_at_255():
    assert read("4=9").index_table()[255] == 255


def test_counting_from_one_moves_every_value_and_leaves_void_below():
    table = read("first=1").index_table()
    assert table[[0, 1, 2, 6, 10, 255]].tolist() == [255, 0, 1, 2, 3, 255]
    assert table[5] == UNKNOWN


def test_the_nearest_value_is_taken_and_void_only_where_it_is():
    table = read("0=0,255=1,nearest").index_table()
    assert (table[:128] == 0).all() and (table[128:] == 1).all()
    table = read("nearest").index_table()
    assert table[[3, 4, 7, 8, 254, 255]].tolist() == [1, 2, 2, 3, 3, 255]


def test_the_nearest_colour_is_the_one_that_a_search_over_all_finds():
    table = read("nearest").colour_table()
    rng = np.random.default_rng(0)
    colours = np.concatenate([rng.integers(0, 256, (500, 3)), FOUR.colours])
    known = np.array([*FOUR.colours, *FOUR.void_colours])
    away = ((colours[:, None] - known[None]) ** 2).sum(axis=2)
    least = away.min(axis=1)
    chosen = table[colours @ (65536, 256, 1)]
    position = np.where(chosen == 255, 4, chosen)
    np.testing.assert_array_equal(away[np.arange(len(colours)), position], least)


def test_swapped_channels_and_grey_ones_are_looked_up_as_meant():
    table = read("bgr").colour_table()
    assert table[50 << 16 | 100 << 8 | 200] == 3 and table[200 << 16] == UNKNOWN
    table = read("grey").colour_table()
    assert table[np.array([0, 1, 5, 255]) * 0x10101].tolist() == [0, 1, 2, 255]
    assert table[1] == UNKNOWN and table[10 << 16] == UNKNOWN


def test_the_rest_can_be_void():
    table = read("others=void").index_table()
    assert table[[0, 1, 5, 9]].tolist() == [0, 1, 2, 3]
    assert (np.delete(table, [0, 1, 5, 9]) == 255).all()


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ("0=x", "got '0=x'"),
        ("300=1", "got '300=1'"),
        ("bright", "got 'bright'"),
        ("1=0,1=1", "got 1 twice"),
        ("0=1,first=1", "values and first together"),
        ("nearest,others=void", "nearest and others=void together"),
        ("0=7", "it has no value 7"),
        ("bgr", "is about three channels"),
    ],
)
def test_rules_that_mean_nothing_are_refused(folder, rules, says):
    with pytest.raises(UserError, match=says) as error:
        open_dataset(folder, "train", labels=rules)
    assert "\n" not in str(error.value) and str(folder) in str(error.value)


@pytest.fixture
def masks(folder):
    """The data of `folder` as 0 and 255; its void is 9."""
    for path in folder.glob("*/labels/*.png"):
        mask = np.array([0, 255, 9], np.uint8)[np.minimum(TWO_VALUES, 2)]
        Image.fromarray(mask).save(path)
    return folder


@pytest.mark.slow
def test_check_stream_and_conversion_read_alike(masks, tmp_path):
    data = open_dataset(masks, "train", labels="0=0,255=1,9=void")
    expected = np.array([0, 1, 255])[np.minimum(TWO_VALUES, 2)]
    np.testing.assert_array_equal(load_sample(data, 0)["label"], expected)
    for cache in (False, True):
        (_, labels), *_ = batches(data, batch_size=1, count=1, cache=cache)
        np.testing.assert_array_equal(labels[0], expected)
    convert(masks, tmp_path / "new", labels="0=0,255=1,9=void")
    new = load_sample(open_dataset(tmp_path / "new", "train"), 0)
    np.testing.assert_array_equal(new["label"], expected)


def test_files_that_python_reads_are_read_alike(masks):
    for path in masks.glob("*/labels/*.png"):
        Image.open(path).save(path.with_suffix(".bmp"))
        path.unlink()
    data = open_dataset(masks, "train", labels="0=0,255=1,9=void")
    expected = np.array([0, 1, 255])[np.minimum(TWO_VALUES, 2)]
    part = read_by(data, "0=0,255=1,9=void").subset([1])
    np.testing.assert_array_equal(load_sample(part, 0)["label"], expected)


def test_predictions_are_written_in_the_values_of_the_files():
    assert values_of(read("0=0,255=1,9=5,7=9"), 4).tolist() == [0, 255, 9, 7]
    with pytest.raises(UserError, match="found none for c"):
        values_of(read("0=0,255=1,7=9"), 4)


def test_the_nearest_grey_is_looked_for_among_all_colours():
    table = ClassTable(("a", "b"), ((1, 1, 1), (2, 2, 2)), (255,), (), (10, 200))
    table = replace(table, reading=LabelReading.parse("grey,nearest"))
    values, found = table.index_table(), table.colour_table()
    assert values[104] == 0 and values[106] == 1 and values[255] == 255
    greys = np.arange(256)
    for colour in np.random.default_rng(0).integers(0, 256, (50, 3)):
        nearest = ((colour[:, None] - greys) ** 2).sum(axis=0).argmin()
        assert found[colour @ (65536, 256, 1)] == values[nearest]
