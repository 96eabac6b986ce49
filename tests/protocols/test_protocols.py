import numpy as np
import pytest

from hyperseg_tf import protocols
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.protocols import CAMVID_CLASSES


def test_every_protocol_is_found_by_its_own_name():
    for name, protocol in protocols.PROTOCOLS.items():
        assert protocols.get(name) is protocol and protocol.name == name


def test_own_and_as_is_are_other_names_of_own_folder():
    assert protocols.get("own") is protocols.get("as-is")
    assert protocols.get("own").name == "own-folder"


def test_an_unknown_protocol_lists_the_known_ones():
    with pytest.raises(UserError, match=r"camvid11-360x480.*'camvid'"):
        protocols.get("camvid")


def test_numbers_of_classes_are_those_of_the_benchmarks():
    counts = {name: len(p.classes or ()) for name, p in protocols.PROTOCOLS.items()}
    assert counts == {
        "own-folder": 0,
        "camvid11-360x480": 11,
        "camvid11-720x960": 11,
        "camvid12": 12,
        "cityscapes19": 19,
        "voc21": 21,
    }
    for protocol in protocols.PROTOCOLS.values():
        assert len(set(protocol.classes or ())) == len(protocol.classes or ())


def test_camvid_classes_are_those_of_the_reader():
    from hyperseg_tf.pipelines.class_tables import CAMVID

    assert protocols.get("camvid11-360x480").classes == CAMVID.names
    protocols.get("camvid12").check_data(CAMVID.names, "camvid")


def test_camvid12_counts_void_as_its_last_class():
    label = np.zeros((720, 960), np.uint8)
    label[0, :2] = (10, 255)
    seen = protocols.get("camvid12").label(label, "a.png")
    assert seen[0, :3].tolist() == [10, 11, 0] and seen.dtype == np.uint8
    ignored = protocols.get("camvid11-720x960").label(label, "a.png")
    assert ignored[0, 1] == 255


def test_a_void_class_in_the_middle_moves_the_later_ones():
    protocol = protocols.Protocol(
        name="x", title="", classes=("a", "void", "b"), void_class=1
    )
    assert protocol.data_classes() == ("a", "b")
    label = protocol.label(np.array([[0, 1, 255]], np.uint8), "a.png")
    assert label.tolist() == [[0, 2, 1]]


def test_a_label_of_another_size_is_named():
    with pytest.raises(UserError, match=r"360x480.*a\.png is 480x360"):
        protocols.get("camvid11-360x480").label(np.zeros((480, 360), np.uint8), "a.png")


def test_spelling_does_not_make_other_classes():
    assert protocols.same_classes(
        ["Traffic-Light", "sign_symbol"], ["traffic light", "sign"]
    )
    assert not protocols.same_classes(["a"], ["a", "b"])


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["a", "c"], "besides 'c', not 'b'"),
        (["b", "a"], "another order"),
        (["a"], "1 classes instead of 2, not 'b'"),
    ],
)
def test_a_difference_is_said_in_words(names, said):
    assert said in protocols.difference(names, ["a", "b"])


def test_data_with_other_classes_are_refused():
    with pytest.raises(UserError, match="'cat'"):
        protocols.get("camvid11-360x480").check_data(["cat"], "pets")


def test_data_that_tell_two_kinds_of_void_apart_are_counted_as_they_are():
    protocol = protocols.get("camvid12")
    names = (*CAMVID_CLASSES, "void")
    protocol.check_data(names, "camvid")
    assert protocol.has_void(names) and not protocol.has_void(CAMVID_CLASSES)
    label = np.full((720, 960), 11, np.uint8)
    label[0] = 255
    seen = protocol.label(label, "a.png", has_void=True)
    np.testing.assert_array_equal(seen, label)
    assert not protocols.get("camvid11-720x960").has_void(names)
