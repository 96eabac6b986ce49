from pathlib import Path

import pytest

from hyperseg_tf.pipelines.readers.pairing import Sides


def sides(images, labels):
    return Sides({k: Path("i") / k for k in images}, {k: Path("l") / k for k in labels})


def pairs(images, labels):
    found = sides(images, labels)
    return [(i.name, label.name) for _, i, label in found.pairs()], found.findings


@pytest.mark.parametrize(
    "label", ["7_mask", "7-Label", "7_L", "7.seg", "mask_7", "gt 7", "7"]
)
def test_a_word_that_says_what_a_file_is_does_not_part_a_pair(label):
    assert pairs(["7"], [label]) == ([("7", label)], [])


def test_words_of_images_and_labels_are_both_left_out():
    assert pairs(["img_7", "img_8"], ["mask_8", "mask_7"]) == (
        [("img_7", "mask_7"), ("img_8", "mask_8")],
        [],
    )


def test_equal_names_come_first_and_a_second_label_is_named():
    found, findings = pairs(["7"], ["7", "7_mask"])
    assert found == [("7", "7")]
    assert [f.source.name for f in findings] == ["7_mask"]


def test_two_labels_that_would_fit_fit_neither():
    found, findings = pairs(["7"], ["7_label", "7_mask"])
    assert found == [] and len(findings) == 2


def test_words_inside_a_name_stay():
    found, _ = pairs(["unmasked"], ["unmasked_mask", "un"])
    assert found == [("unmasked", "unmasked_mask")]


def test_a_folder_is_part_of_the_name():
    found, findings = pairs(["a/7"], ["b/7_mask"])
    assert found == [] and len(findings) == 2


def test_a_half_without_folders_belongs_to_the_only_one_of_its_name():
    assert pairs(["day/7", "day/8"], ["7", "8_mask"])[0] == [
        ("7", "7"),
        ("8", "8_mask"),
    ]
    found, findings = pairs(["a/7", "b/7"], ["7"])
    assert found == [] and len(findings) == 2
