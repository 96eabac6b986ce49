import numpy as np
import pytest

from hyperseg_tf.pipelines import detect, load_sample, open_dataset, splits
from hyperseg_tf.pipelines.class_tables import ADE20K
from tests.pipelines.folders import THREE, image, label


@pytest.fixture
def ade(tmp_path):
    for split in ("training", "validation"):
        image(tmp_path / f"images/{split}/ADE_1.jpg", 2, 3)
        label(tmp_path / f"annotations/{split}/ADE_1.png", [[0, 1, 150], [2, 0, 3]])
    return tmp_path


def test_values_count_from_one_and_zero_is_void(ade):
    data = open_dataset(ade, "val")
    expected = [[255, 0, 149], [1, 255, 2]]
    np.testing.assert_array_equal(load_sample(data, 0)["label"], expected)
    np.testing.assert_array_equal(data.samples.loader()(0)["label"], expected)
    assert splits(ade) == ("train", "val") and "0 void and 1 to 150" in data.notes[0]


def test_it_has_150_classes_of_different_colours():
    assert len(ADE20K) == 150 and (ADE20K.names[0], ADE20K.names[-1]) == (
        "wall",
        "flag",
    )


def test_a_class_file_makes_it_other_data(ade):
    THREE.write(ade / "classes.csv")
    assert detect(ade).reader.NAME == "images and labels side by side"
    assert open_dataset(ade, "val").classes == THREE
