import numpy as np
import pytest
from PIL import Image

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.export import calibration
from hyperseg_tf.export.options import options
from tests.tiny_segmenter import write_data

SIZE = (33, 47)


def _options(folder, batch=None):
    batch = batch or "free"
    return options(
        "tensorrt", precision="int8", calibrate=folder, size=SIZE, batch=batch
    )


def _grey(path, value, size=(50, 40)):
    Image.new("RGB", size, (value,) * 3).save(path)


def test_pictures_have_the_size_and_the_batch_of_the_export(tmp_path):
    for i in range(3):
        _grey(tmp_path / f"{i}.png", 50 * i, (50 + 9 * i, 40))
    found = list(calibration.batches(_options(tmp_path, 2)))
    assert [batch.shape for batch in found] == 2 * [(2, *SIZE, 3)]
    # The last batch is filled up with its last picture.
    assert [batch[i].mean() for batch in found for i in range(2)] == [0, 50, 100, 100]


def test_a_free_batch_is_calibrated_with_one_picture_at_a_time(tmp_path):
    _grey(tmp_path / "a.png", 7)
    (batch,) = calibration.batches(_options(tmp_path))
    assert batch.shape == (1, *SIZE, 3) and batch.dtype == np.uint8


def test_of_a_data_set_the_labels_are_no_pictures(tmp_path):
    write_data(tmp_path, 2 * [np.zeros((40, 50))], split="train")
    found = list(calibration.batches(_options(tmp_path)))
    assert [batch.mean() for batch in found] == [10, 10]  # Dark where the label is 0.


def test_many_pictures_are_thinned_evenly(tmp_path, monkeypatch):
    monkeypatch.setattr(calibration, "MOST_PICTURES", 2)
    for i in range(5):
        _grey(tmp_path / f"{i}.png", 50 * i)
    found = [batch.mean() for batch in calibration.batches(_options(tmp_path))]
    assert found == [0, 100]


def test_a_folder_without_pictures_is_named(tmp_path):
    with pytest.raises(UserError, match="found none"):
        list(calibration.batches(_options(tmp_path)))
