import math

import keras
import numpy as np
import pytest
from PIL import Image

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.evaluation.metrics import ConfusionMatrix, mean_iou
from hyperseg_tf.training.callbacks import (
    CsvLog,
    DropoutSeeds,
    FiniteLoss,
    Measure,
    Overlays,
    Position,
    SaveBest,
    Validation,
)
from hyperseg_tf.training.curve import draw_curve
from hyperseg_tf.training.losses import BootstrappedCrossEntropy
from hyperseg_tf.training.run_folder import RunFolder


def identity():
    """A network that returns its three channels as logits, times one."""
    inputs = keras.Input((None, None, 3))
    layer = keras.layers.Conv2D(3, 1, use_bias=False)
    model = keras.Model(inputs, layer(inputs))
    layer.kernel.assign(np.eye(3, dtype="float32")[None, None])
    return model


def draw(count, height=5, width=7):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(count, height, width, 3)).astype("float32")
    labels = rng.integers(0, 3, (count, height, width)).astype("uint8")
    labels[:, 0] = 255
    return logits, labels


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


def test_validation_takes_images_of_different_size():
    small, large = draw(1, 3, 4), draw(1, 8, 5)
    loss = BootstrappedCrossEntropy()
    validation = Validation(identity(), [small, large], loss, ("a", "b", "c"))
    validation.set_model(identity())
    logs = {}
    validation.on_epoch_end(0, logs)
    want = (float(loss(*small[::-1])) + float(loss(*large[::-1]))) / 2
    assert logs["val_loss"] == pytest.approx(want, rel=1e-5)


def test_dropout_depends_on_seed_and_step_alone():
    def states(seed, step):
        model = keras.Sequential(
            [keras.Input((3,)), keras.layers.Dropout(0.5), keras.layers.Dropout(0.5)]
        )
        callback = DropoutSeeds(seed, Position(step, 10))
        callback.set_model(model)
        callback.on_epoch_begin(0)
        return [np.asarray(v).tolist() for v in model.variables]

    first, second = states(0, 7)
    assert first != second
    assert states(0, 7) == [first, second]
    assert first[1] == second[1] == 7
    assert states(1, 7)[0][0] != first[0]


def test_seed_states_count_the_steps_between_two_settings():
    # What makes a run that resumes in the middle of an epoch exact.
    dropout = keras.layers.Dropout(0.5)
    model = keras.Sequential([keras.Input((3,)), dropout, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    callback = DropoutSeeds(0, Position(20, 10))
    x = np.ones((6, 3), "float32")
    model.fit(x, x[:, :1], batch_size=2, callbacks=[callback], verbose=0)
    assert np.asarray(dropout.seed_generator.state)[1] == 23


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_loss_that_is_not_finite_stops(loss, tmp_path):
    callback = FiniteLoss(Position(3, 10), RunFolder(tmp_path))
    callback.on_train_batch_end(0, {"loss": 1.0})
    with pytest.raises(UserError, match="step 3"):
        callback.on_train_batch_end(0, {"loss": loss})


def test_speed_leaves_the_traced_step_out(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(
        "hyperseg_tf.training.callbacks.time.perf_counter", lambda: clock[0]
    )
    measure = Measure(Position(3, 3), lambda step: 0.5 * step, batch_size=4)
    measure.on_epoch_begin(0)
    for seconds in (40, 1, 3):
        clock[0] += seconds
        measure.on_train_batch_end(0)
    clock[0] += 6  # validation
    logs = {}
    measure.on_epoch_end(0, logs)
    assert logs == {"lr": 1.0, "images_per_s": 2.0, "seconds": 50.0}


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


def test_log_drops_the_rows_after_the_resumed_step(tmp_path):
    folder = RunFolder(tmp_path)
    folder.write_log([{"epoch": i, "step": 10 * i, "loss": 0.5} for i in (1, 2, 3)])
    log = CsvLog(folder, Position(20, 10))
    assert [row["epoch"] for row in log.rows] == [1, 2]


def test_overlays_show_image_label_and_prediction_side_by_side(tmp_path):
    images, labels = draw(2)
    colours = ((255, 0, 0), (0, 255, 0), (0, 0, 255))
    overlays = Overlays(
        RunFolder(tmp_path),
        identity(),
        list(zip(images, labels, strict=True)),
        ("a", "b", "c"),
        colours,
    )
    overlays.on_epoch_end(4)
    picture = np.asarray(Image.open(tmp_path / "overlays" / "epoch_0005.png"))
    np.testing.assert_array_equal(picture, overlays.picture)
    plain, truth, prediction = (picture[:5, i * 7 : i * 7 + 7] for i in range(3))
    np.testing.assert_array_equal(truth[0], plain[0])  # void shows the bare image
    same = (images[0].argmax(-1) == labels[0])[1:]
    equal = (truth == prediction).all(-1)[1:]
    np.testing.assert_array_equal(equal, same)


def test_curve_survives_gaps(tmp_path):
    rows = [
        {"epoch": 1, "loss": 2.0, "val_loss": math.inf, "val_miou": 0.0},
        {"epoch": 2, "loss": 1.0, "val_loss": math.nan, "val_miou": 0.3},
    ]
    draw_curve(rows, tmp_path / "curve.png")
    assert Image.open(tmp_path / "curve.png").size[0] > 500
