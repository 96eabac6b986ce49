import numpy as np
import pytest

from hyperseg_tf.evaluation.calibration import (
    BINS,
    calibration_counts,
    calibration_error,
)
from hyperseg_tf.evaluation.evaluate import evaluate
from hyperseg_tf.inference.passes import Passes
from hyperseg_tf.inference.segmenter import Segmenter
from tests.tiny_segmenter import by_brightness, write_data


@pytest.mark.slow
def test_the_error_is_that_of_torchmetrics():
    import torch
    from torchmetrics.classification import MulticlassCalibrationError

    rng = np.random.default_rng(0)
    logits = 2 * rng.normal(size=(31, 47, 5))
    shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    label = rng.integers(0, 5, (31, 47)).astype(np.uint8)
    label[:4] = 255
    prediction = shares.argmax(-1).astype(np.uint8)
    counts = calibration_counts(label, prediction, shares.max(-1))
    theirs = MulticlassCalibrationError(5, n_bins=BINS, ignore_index=255)
    theirs.update(
        torch.tensor(shares.reshape(-1, 5)), torch.tensor(label.reshape(-1).astype(int))
    )
    want = float(theirs.compute())
    assert calibration_error(counts) == pytest.approx(want, abs=1e-6)
    assert counts[0].sum() == (label != 255).sum()


def test_certain_and_right_is_no_error_and_nothing_is_no_number():
    label = np.zeros((3, 4), np.uint8)
    sure = np.ones((3, 4), np.float32)
    assert calibration_error(calibration_counts(label, label, sure)) == 0
    assert calibration_error(calibration_counts(label, label + 1, sure)) == 1
    assert np.isnan(calibration_error(np.zeros((3, BINS))))


def test_confidences_are_the_softmax_of_the_best_class_through_windows_too():
    images = np.random.default_rng(0).integers(0, 256, (2, 40, 70, 3), np.uint8)
    of = Segmenter(by_brightness())
    logits = of.logits(images).astype(np.float64)
    shares = np.exp(logits - logits.max(-1, keepdims=True))
    shares /= shares.sum(-1, keepdims=True)
    windows = Segmenter(by_brightness(), passes=Passes(window=(32, 32)))
    for each in (of, windows):
        maps, confidence = each.confident_maps(images)
        np.testing.assert_array_equal(maps, shares.argmax(-1))
        np.testing.assert_allclose(confidence, shares.max(-1), rtol=1e-4)


def test_it_is_measured_where_asked_for(tmp_path):
    label = np.zeros((8, 8), np.uint8)
    label[:, 4:] = 1
    data = write_data(tmp_path, [label])
    plain = evaluate(by_brightness(), data)
    assert "calibration" not in plain.table() and np.isnan(plain.calibration_error)
    assert plain.as_data()["calibration"] is None
    result = evaluate(by_brightness(), data, calibration=True)
    assert result.matrix.tolist() == plain.matrix.tolist()
    assert 0 < result.calibration_error < 0.1
    assert f"calibration error {100 * result.calibration_error:.2f}" in result.table()
    assert result.as_data()["calibration"]["error"] == result.calibration_error
    with pytest.raises(ValueError, match="no probabilities"):
        evaluate(by_brightness(), data, calibration=True, class_maps=len)
