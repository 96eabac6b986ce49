import json

import keras
import numpy as np
import pytest

from hyperseg_tf.evaluation.metrics import ConfusionMatrix, iou_per_class, mean_iou
from hyperseg_tf.training.losses import BootstrappedCrossEntropy
from tests.golden import arrays


def golden():
    return arrays("op_confusion_matrix_miou")


def streamed(metric):
    data = golden()
    for i in range(2):
        metric.update_state(data[f"target_{i}"], data[f"prediction_{i}"])
    return metric


def test_golden_confusion_matrix_is_exact():
    matrix = streamed(ConfusionMatrix(6)).counts()
    assert matrix.dtype == np.int64
    np.testing.assert_array_equal(matrix, golden()["confusion_rows_target"])


def test_golden_scores():
    data = golden()
    matrix = data["confusion_rows_target"]
    iou = iou_per_class(matrix)
    assert np.isnan(iou[5])
    want = data["test_script_iou_per_class"]
    np.testing.assert_allclose(np.nan_to_num(iou), want, rtol=1e-6)
    assert mean_iou(matrix, "zero") == pytest.approx(data["test_script_miou"], rel=1e-6)
    assert mean_iou(matrix) == pytest.approx(data["train_script_miou"], rel=1e-6)
    streamed_matrix = streamed(ConfusionMatrix(6)).counts()
    for absent in ("zero", "skip"):
        assert mean_iou(streamed_matrix, absent) == mean_iou(matrix, absent)


def test_logits_count_like_their_argmax():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 5, 7, 4)).astype("float32")
    labels = rng.integers(0, 4, (2, 5, 7)).astype("uint8")
    labels[0, :2] = 255
    metric = ConfusionMatrix(4)
    metric.update_state(labels, logits)
    want = np.zeros((4, 4), "int64")
    keep = labels != 255
    np.add.at(want, (labels[keep], logits.argmax(-1)[keep]), 1)
    np.testing.assert_array_equal(metric.counts(), want)


def test_counts_do_not_saturate_like_float32():
    metric = ConfusionMatrix(1)
    metric.matrix.assign([[2**24]])
    metric.update_state(np.zeros((1, 1, 3), "uint8"), np.zeros((1, 1, 3), "uint8"))
    assert metric.counts().item() == 2**24 + 3


def test_reset_forgets_and_nothing_seen_is_no_score():
    metric = streamed(ConfusionMatrix(6))
    assert metric.counts().any()
    metric.reset_state()
    assert not metric.counts().any() and not np.asarray(metric.result()).any()
    assert np.isnan(mean_iou(metric.counts()))
    assert mean_iou(metric.counts(), "zero") == 0


def test_metric_streams_through_evaluate():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(5, 3, 4, 3)).astype("float32")
    labels = rng.integers(0, 3, (5, 3, 4)).astype("uint8")
    model = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Identity()])
    model.compile(loss=BootstrappedCrossEntropy(), metrics=[ConfusionMatrix(3)])
    scores = model.evaluate(logits, labels, batch_size=2, return_dict=True, verbose=0)
    matrix = np.zeros((3, 3), "int64")
    np.add.at(matrix, (labels, logits.argmax(-1)), 1)
    np.testing.assert_array_equal(scores["confusion_matrix"], matrix)


def test_config_round_trip():
    metric = ConfusionMatrix(7, void=254, name="other")
    config = json.loads(json.dumps(keras.metrics.serialize(metric)))
    assert keras.metrics.deserialize(config).get_config() == metric.get_config()


def test_the_mean_is_over_the_counted_classes_by_either_rule_for_absent_ones():
    # IoU 0.5, absent, 0.5, 0; the last is not counted.
    matrix = np.diag([2, 0, 3, 0])
    matrix[0, 3], matrix[2, 3] = 2, 3
    np.testing.assert_array_equal(iou_per_class(matrix), [0.5, np.nan, 0.5, 0])
    assert mean_iou(matrix, "skip", (0, 1, 2)) == 0.5
    assert mean_iou(matrix, "zero", (0, 1, 2)) == pytest.approx(1 / 3)
    assert mean_iou(matrix, "skip") == pytest.approx(1 / 3)
    assert np.isnan(mean_iou(matrix, "skip", (1,)))
    assert mean_iou(matrix, "zero", (1,)) == 0


def test_unknown_rule_for_absent_classes_is_refused():
    with pytest.raises(ValueError, match="'skip', 'zero'.*'none'"):
        mean_iou(np.eye(3), "none")


def test_every_form_of_labels_is_counted_the_same():
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 3, (2, 5, 7)).astype("uint8")
    logits = rng.normal(size=(2, 5, 7, 3)).astype("float32")
    one_hot = np.eye(3, dtype="float32")[labels]
    labels[0, :2] = 255
    one_hot[0, :2] = 0
    matrices = []
    for form in (labels, labels[..., None], one_hot):
        for predictions in (logits, logits.argmax(-1)):
            metric = ConfusionMatrix(3)
            metric.update_state(form, predictions)
            matrices.append(metric.counts())
    assert matrices[0].sum() == labels.size - 14
    for matrix in matrices:
        np.testing.assert_array_equal(matrix, matrices[0])
    with pytest.raises(ValueError, match="one-hot"):
        ConfusionMatrix(4).update_state(one_hot, logits.argmax(-1))
