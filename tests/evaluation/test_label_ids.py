from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.evaluation.evaluate import evaluate
from hyperseg_tf.evaluation.label_ids import _file_names, saving, values_of
from hyperseg_tf.pipelines import ClassTable
from hyperseg_tf.pipelines.class_tables import CAMVID_COLOURS, CITYSCAPES
from tests.tiny_segmenter import by_brightness, write_data


def test_predictions_are_written_in_the_values_of_the_datas_labels(tmp_path):
    label = np.zeros((7, 13), np.uint8)
    label[:, 5:] = 1
    data = write_data(tmp_path / "data", [label, label])
    table = ClassTable.read(data / "classes.csv")
    table = replace(table, values=(7, 9, 200), void_values=(255,))
    table.write(data / "classes.csv")
    for path in (data / "val/labels").iterdir():
        Image.fromarray(np.array([7, 9], np.uint8)[label]).save(path)
    evaluate(by_brightness(), data, label_ids=tmp_path / "ids")
    labels = sorted((data / "val/labels").iterdir())
    written = sorted((tmp_path / "ids").iterdir())
    assert [path.name for path in written] == [path.name for path in labels]
    for ours, theirs in zip(written, labels, strict=True):
        np.testing.assert_array_equal(Image.open(ours), Image.open(theirs))


def test_ids_are_those_of_the_benchmark():
    ids = values_of(CITYSCAPES, 19)
    assert ids.dtype == np.uint8 and ids[[0, 13, 18]].tolist() == [7, 26, 33]
    assert values_of(CITYSCAPES, 20)[19] == 0  # unlabeled
    assert values_of(CAMVID_COLOURS.with_void_as_class(), 12)[11] == 11


def test_a_name_is_its_last_part_unless_that_repeats():
    names = ["ulm/ulm_0_1", "a/x", "b/x", "c d/y"]
    assert _file_names(names) == ["ulm_0_1.png", "a_x.png", "b_x.png", "y.png"]
    assert _file_names(["a/b/x", "a_b/x"]) == ["0_a_b_x.png", "1_a_b_x.png"]


def test_nothing_is_left_of_an_evaluation_that_failed(tmp_path):
    data = [SimpleNamespace(name="x"), SimpleNamespace(name="y")]
    data = type("Data", (list,), {"classes": CITYSCAPES})(data)
    with (
        pytest.raises(RuntimeError),
        saving(tmp_path / "out", data, 19) as save,
    ):
        save(0, np.full((2, 3), 18, np.uint8))
        raise RuntimeError
    assert not list(tmp_path.iterdir())
    with saving(tmp_path / "out", data, 19) as save:
        save(1, np.full((2, 3), 18, np.uint8))
    written = np.asarray(Image.open(tmp_path / "out/y.png"))
    np.testing.assert_array_equal(written, np.full((2, 3), 33))
    with (
        pytest.raises(UserError, match="not overwritten"),
        saving(tmp_path / "out", data, 19),
    ):
        pass
    with saving(None, data, 19) as save:
        save(0, np.zeros((1, 1), np.uint8))
