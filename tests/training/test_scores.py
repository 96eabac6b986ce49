import numpy as np
import pytest
import tensorflow as tf

from hyperseg_tf.evaluation.metrics import ConfusionMatrix, mean_iou
from hyperseg_tf.training.compiled import any_size
from hyperseg_tf.training.losses import BootstrappedCrossEntropy
from hyperseg_tf.training.run_folder import RunFolder
from hyperseg_tf.training.scores import SaveBest, Validation, lowest_classes
from hyperseg_tf.training.train import train
from tests.training.three_channels import draw, identity
from tests.training.tiny_run import build, recipe


def test_validation_scores_the_model_and_weighs_a_part_batch_by_its_images():
    logits, labels = draw(5)
    loss = BootstrappedCrossEntropy(k=4)
    batches = [(logits[:2], labels[:2]), (logits[2:4], labels[2:4])]
    batches.append((logits[4:], labels[4:]))
    twin = identity()
    twin.set_weights([-w for w in twin.get_weights()])
    validation = Validation(twin, batches, loss, ("a", "b", "c"))
    validation.set_model(identity())
    for _ in range(2):  # the counts of one epoch do not reach the next
        logs = {}
        validation.on_epoch_end(0, logs)
    assert logs["val_loss"] == pytest.approx(float(loss(labels, logits)), rel=1e-5)
    matrix = ConfusionMatrix(3)
    matrix.update_state(labels, logits)
    assert logs["val_miou"] == pytest.approx(mean_iou(matrix.counts()))
    ious = [logs[f"iou/{name}"] for name in "abc"]
    assert np.mean(ious) == pytest.approx(logs["val_miou"])


def test_the_lowest_classes_are_those_of_the_logs_without_absent_ones():
    logs = {"loss": 0.0, "iou/a": 0.5, "iou/b": 0.1, "iou/c": float("nan")}
    assert lowest_classes(logs | {"iou/d": 0.3}, 2) == [("b", 0.1), ("d", 0.3)]
    assert lowest_classes({"loss": 0.0}, 2) == []


def test_validation_takes_images_of_different_size():
    small, large = draw(1, 3, 4), draw(1, 8, 5)
    loss = BootstrappedCrossEntropy()
    validation = Validation(identity(), [small, large], loss, ("a", "b", "c"))
    validation.set_model(identity())
    logs = {}
    validation.on_epoch_end(0, logs)
    want = (float(loss(*small[::-1])) + float(loss(*large[::-1]))) / 2
    assert logs["val_loss"] == pytest.approx(want, rel=1e-5)


def test_only_a_better_epoch_replaces_the_best_model(tmp_path):
    folder = RunFolder(tmp_path)
    facts = {"best": None}
    callback = SaveBest(folder, facts, identity())
    callback.set_model(identity())
    callback.on_epoch_end(0, {"val_miou": 0.0})
    assert folder.read_facts()["best"] == {"epoch": 1, "val_miou": 0.0}
    callback.on_epoch_end(1, {"val_miou": 0.4})
    time_written = folder.best.stat().st_mtime_ns
    callback.on_epoch_end(2, {"val_miou": 0.4})
    assert facts["best"]["epoch"] == 2
    assert folder.best.stat().st_mtime_ns == time_written


def test_an_epoch_before_the_first_that_counts_is_not_kept(tmp_path):
    folder = RunFolder(tmp_path)
    facts = {"best": None}
    callback = SaveBest(folder, facts, identity(), first_epoch=2)
    callback.set_model(identity())
    callback.on_epoch_end(1, {"val_miou": 0.9})
    assert facts["best"] is None and not folder.best.exists()
    callback.on_epoch_end(2, {"val_miou": 0.3})
    assert facts["best"] == {"epoch": 3, "val_miou": 0.3}


def test_validation_pads_images_that_the_network_refuses():
    sizes = []

    def network(images, training):
        sizes.append((int(tf.shape(images)[1]), int(tf.shape(images)[2])))
        return images

    for size in ((7, 41), (1, 1), (33, 40)):
        images = tf.random.stateless_normal((2, *size, 3), (0, 1))
        np.testing.assert_array_equal(any_size(network, images), images)
    assert sizes == [(32, 41), (32, 32), (33, 40)]


@pytest.mark.slow
def test_a_run_ends_when_its_patience_does(data, tmp_path, capsys):
    # A rate that changes nothing: the first epoch stays the best.
    options = recipe(patience=2, epochs=9, learning_rate=1e-9, norm_momentum=0.999)
    out = tmp_path / "run"
    result = train(options, data, out, build=build)
    last = result.best_epoch + 2
    assert result.epochs == last < 9 and result.log[-1]["epoch"] == last
    assert "for 2: the run ends" in capsys.readouterr().err
    again = train(options, data, out, build=build)
    assert again.epochs == last and "2 epochs were no better" in capsys.readouterr().err
