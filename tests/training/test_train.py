import csv
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.stopping import Stopped, stoppable
from hyperseg_tf.base.versions import versions
from hyperseg_tf.evaluation.metrics import iou_per_class, mean_iou
from hyperseg_tf.training.run_folder import RunFolder
from hyperseg_tf.training.train import train
from tests.training.stopped import Stop
from tests.training.tiny_run import (
    assert_same_state,
    build,
    on_two_devices,
    recipe,
    write_data,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """A run that nothing interrupted."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    return train(recipe(), data, out, build=build), out


def test_run_folder_is_complete(whole):
    result, out = whole
    names = {path.name for path in out.iterdir()}
    assert names == {
        ".lock",
        "model.keras",
        "latest.keras",
        "run.json",
        "log.csv",
        "curve.png",
        "overlays",
        "tensorboard",
    }
    assert len(list((out / "overlays").iterdir())) == 3
    facts = json.loads((out / "run.json").read_text())
    assert facts["recipe"] == recipe().as_data()
    assert facts["weights"] == "random"
    assert facts["versions"] == versions()
    assert facts["best"] == {"epoch": result.best_epoch, "val_miou": result.best_miou}


def test_log_has_one_row_per_epoch_with_all_scores(whole):
    result, out = whole
    with (out / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert [row["step"] for row in rows] == ["4", "8", "12"]
    wanted = {"loss", "val_loss", "val_miou", "lr", "images_per_s", "waited", "seconds"}
    assert wanted | {"iou/left", "iou/right", "iou/never"} <= set(rows[0])
    assert all(0 <= float(row["waited"]) <= 1 for row in rows)
    assert float(rows[0]["lr"]) == pytest.approx(0.03 * (9 / 12) ** 0.9)
    assert rows[0]["iou/never"] == "nan" or float(rows[0]["iou/never"]) >= 0
    assert result.best_miou == max(float(row["val_miou"]) for row in rows)


def test_best_model_scores_what_the_log_says(whole, data):
    from hyperseg_tf.pipelines import load_sample, open_dataset

    result, out = whole
    model = keras.models.load_model(out / "model.keras", compile=False)
    dataset = open_dataset(data, "val")
    matrix = np.zeros((3, 3), "int64")
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    for i in range(len(dataset)):
        sample = load_sample(dataset, i)
        image = ((sample["image"] / 255 - mean) / std).astype("float32")
        prediction = np.asarray(model(image[None]))[0].argmax(-1)
        keep = sample["label"] != 255
        np.add.at(matrix, (sample["label"][keep], prediction[keep]), 1)
    assert mean_iou(matrix) == pytest.approx(result.best_miou, abs=1e-6)
    row = result.log[result.best_epoch - 1]
    names = ("left", "right", "never")
    got = [row[f"iou/{name}"] for name in names]
    np.testing.assert_allclose(got, iou_per_class(matrix), atol=1e-6)


def test_it_learns(whole):
    result, _ = whole
    assert result.log[-1]["loss"] < 0.85 * result.log[0]["loss"]


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(4, marks=pytest.mark.grid),
        pytest.param(2, marks=pytest.mark.slow),
        pytest.param(7, marks=pytest.mark.grid),
    ],
)
def test_run_stopped_by_ctrl_c_ends_like_an_uninterrupted_one(
    step, whole, data, tmp_path, monkeypatch
):
    _, reference = whole
    out = tmp_path / "run"
    # A shell ignores Ctrl-C for what it runs in the background.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with monkeypatch.context() as patch:
        Stop(patch, step)
        with pytest.raises(KeyboardInterrupt):
            train(recipe(), data, out, build=build)
    model = keras.models.load_model(out / "latest.keras")
    assert int(model.optimizer.iterations) == step
    result = train(recipe(), data, out, build=build)
    assert_same_state(out, reference)
    assert [row["epoch"] for row in result.log] == [1, 2, 3]
    assert result.best_miou == whole[0].best_miou
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler


@pytest.mark.slow
@pytest.mark.parametrize("delay_s", [0.0, pytest.param(0.1, marks=pytest.mark.grid)])
def test_run_killed_at_any_time_ends_like_an_uninterrupted_one(delay_s, data, tmp_path):
    command = [sys.executable, "-m", "tests.training.tiny_run", str(data)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    out = tmp_path / "killed"
    process = subprocess.Popen([*command, str(out), "8"], env=environment)
    deadline = time.monotonic() + 120
    while not (out / "overlays" / "epoch_0003.png").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(delay_s)
    process.kill()
    process.wait()
    # What was being written has another name, which begins with a dot.
    for path in out.glob("[!.]*.keras"):
        keras.models.load_model(path)
    killed_at = int(keras.models.load_model(out / "latest.keras").optimizer.iterations)
    assert killed_at < 32
    train(recipe(epochs=8), data, out, build=build)
    train(recipe(epochs=8), data, tmp_path / "whole", build=build)
    assert_same_state(out, tmp_path / "whole")
    assert not list(out.glob(".*.keras"))


def test_finished_run_is_left_alone(whole, data, capsys):
    result, out = whole
    before = (out / "latest.keras").stat().st_mtime_ns
    again = train(recipe(), data, out, build=build)
    assert repr(again) == repr(result)  # rows hold NaN, which is not equal to NaN
    assert (out / "latest.keras").stat().st_mtime_ns == before
    assert "all 3 epochs are done" in capsys.readouterr().err


def test_folder_of_another_run_is_refused(whole, data):
    _, out = whole
    other = recipe(batch_size=3, learning_rate=0.1, overlays=0)
    message = "batch_size: 2, now 3; learning_rate: 0.03, now 0.1; name.*--fresh"
    with pytest.raises(UserError, match=message):
        train(other, data, out, build=build)


@pytest.mark.slow
def test_fresh_discards_the_run_but_no_other_file(whole, data, tmp_path):
    out = shutil.copytree(whole[1], tmp_path / "run")
    assert (out / "overlays" / "epoch_0002.png").exists()
    (out / "notes.txt").write_text("mine")
    result = train(recipe(epochs=1), data, out, resume=False, build=build)
    assert len(result.log) == 1
    assert not (out / "overlays" / "epoch_0002.png").exists()
    assert (out / "notes.txt").read_text() == "mine"


def test_unsound_data_stop_before_anything_is_written(data, tmp_path):
    broken = write_data(tmp_path / "broken")
    (broken / "train" / "images" / "3.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match="3.png"):
        train(recipe(), broken, tmp_path / "run", build=build)
    assert not (tmp_path / "run").exists()


@dataclass(frozen=True)
class Explode:
    """Samples beyond float32 after the given one, a stand-in for a diverged run."""

    def __call__(self, sample, seed):
        return {**sample, "image": sample["image"] * float("nan")}


@pytest.mark.slow
def test_loss_that_is_not_finite_stops_with_the_last_state_kept(
    data, tmp_path, monkeypatch
):
    from hyperseg_tf.training.state import Position

    out = tmp_path / "run"
    original = Position.on_train_batch_end

    def hook(position, batch, logs=None):
        original(position, batch, logs)
        if position.step == 5:
            kernel = position.model.trainable_variables[0]
            kernel.assign(np.full(kernel.shape, np.inf))

    monkeypatch.setattr(Position, "on_train_batch_end", hook)
    with pytest.raises(UserError, match="nan at step 6.*learning_rate.*latest.keras"):
        train(recipe(), data, out, build=build)
    model = keras.models.load_model(out / "latest.keras")
    assert int(model.optimizer.iterations) == 4
    assert all(np.isfinite(np.asarray(v)).all() for v in model.weights)


@pytest.mark.slow
def test_nan_before_the_first_checkpoint_says_that_nothing_was_saved(data, tmp_path):
    exploding = recipe()
    exploding = replace(exploding, train=(*exploding.train, Explode()))
    with pytest.raises(UserError, match="step 1;.*nothing was saved"):
        train(exploding, data, tmp_path / "run", build=build)


def test_damaged_checkpoint_is_named(whole, data, tmp_path):
    out = shutil.copytree(whole[1], tmp_path / "run")
    contents = (out / "latest.keras").read_bytes()
    (out / "latest.keras").write_bytes(contents[: len(contents) // 2])
    with pytest.raises(UserError, match="latest.keras is not .*damaged.*--fresh"):
        train(recipe(), data, out, build=build)


@pytest.mark.slow
def test_two_trainings_never_share_a_folder(data, tmp_path):
    # The second is refused before it reads the data, which can take minutes.
    unsound = write_data(tmp_path / "data")
    (unsound / "train" / "images" / "3.png").write_bytes(b"no picture")
    out = tmp_path / "run"
    with RunFolder(out).locked():
        with pytest.raises(UserError, match="is in use; wait for it or name another"):
            train(recipe(), unsound, out, build=build)
    train(recipe(epochs=1), data, out, build=build)


@pytest.mark.slow
def test_source_of_the_weights_is_logged(data, tmp_path, capsys):
    asked = []

    def offline(preset, num_classes, weights):
        asked.append(weights)
        if weights == "imagenet":
            raise UserError("no connection")
        return build(preset, num_classes, weights)

    arguments = {"build": offline, "epochs": 1}
    with pytest.raises(UserError, match="no connection"):
        train(recipe(), data, tmp_path / "a", weights="imagenet", **arguments)
    assert not (tmp_path / "a" / "run.json").exists()
    result = train(
        recipe(), data, tmp_path / "b", weights="imagenet-or-random", **arguments
    )
    assert asked == ["imagenet", "imagenet", None]
    assert result.weights == "random"
    err = capsys.readouterr().err
    assert "STARTING FROM RANDOM" in err and "initial weights: random" in err


@pytest.mark.slow
def test_images_fed_as_bytes_end_with_the_same_weights(data, tmp_path):
    options = {"epochs": 1, "build": build}
    for feed_bytes in (False, True):
        out = tmp_path / str(feed_bytes)
        train(recipe(), data, out, feed_bytes=feed_bytes, **options)
    assert_same_state(tmp_path / "False", tmp_path / "True")


@pytest.mark.slow
def test_the_other_loss_and_decay_train_too(data, tmp_path):
    plain = recipe(loss="cross_entropy", decay="epoch", epochs=2, overlays=0)
    result = train(plain, data, tmp_path / "run", build=build)
    assert [row["lr"] for row in result.log] == pytest.approx([0.03, 0.03 * 0.5**0.9])
    assert not (tmp_path / "run" / "overlays").exists()


@pytest.mark.slow
def test_a_sum_of_losses_with_balanced_classes_trains_and_goes_on(data, tmp_path):
    several = {
        "loss": ("ohem", "focal", "dice", "lovasz"),
        "loss_factors": (1.0, 2.0, 0.5, 0.5),
        "loss_class_weights": "balanced",
    }
    out = tmp_path / "run"
    result = train(recipe(**several, epochs=1), data, out, build=build)
    assert 0 < result.log[0]["loss"] < 20 and 0 < result.log[0]["val_loss"] < 20
    facts = json.loads((out / "run.json").read_text())
    assert len(facts["class_pixels"]["train"]) == 4
    assert facts["recipe"]["loss"] == ["ohem", "focal", "dice", "lovasz"]
    again = train(recipe(**several, epochs=1), data, out, build=build)
    assert again.log == result.log
    with pytest.raises(UserError, match="loss_class_weights: balanced, now None"):
        plain = {**several, "loss_class_weights": None}
        train(recipe(**plain, epochs=1), data, out, build=build)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        pytest.param("", marks=pytest.mark.grid),
        "loss=tuple(LOSSES), loss_class_weights='balanced'",
    ],
)
def test_two_devices_share_the_batches_and_resume(options, data, tmp_path):
    code = f"""
LOSSES = ("bootstrapped", "cross_entropy", "ohem", "focal", "dice", "lovasz")
out = {str(tmp_path / "run")!r}
options = recipe({options})
train(options, {str(data)!r}, out, devices=devices, build=build)
"""
    # A finished first half, then the whole, as after a kill between epochs.
    on_two_devices(code)
    model = keras.models.load_model(tmp_path / "run" / "latest.keras")
    assert int(model.optimizer.iterations) == 12
    again = on_two_devices(code)
    assert "all 3 epochs are done" in again.stderr, again.stderr[-3000:]


@pytest.mark.slow
def test_command_prints_how_to_resume(data, tmp_path, monkeypatch, capsys):
    import argparse

    from hyperseg_tf import recipes
    from hyperseg_tf.cli import train as command

    monkeypatch.setattr(recipes, "get", lambda name: recipe())
    monkeypatch.setattr("hyperseg_tf.training.model.build_hyperseg", build)
    monkeypatch.setattr("hyperseg_tf.training.train.check_start", lambda recipe: None)
    parser = argparse.ArgumentParser()
    command.add(parser.add_subparsers())
    words = ["train", "tiny", "--data", str(data), "--out", str(tmp_path / "a run")]
    words += ["--set", "epochs=2", "--set", "train.RandomCrop.height=11"]
    words += ["--weights", "none"]
    args = parser.parse_args([*words, "--fresh"])
    with monkeypatch.context() as patch:
        Stop(patch, 3)
        assert args.run(args) == 130
    line = capsys.readouterr().err.splitlines()[-1]
    assert f"--out '{tmp_path}/a run' --set epochs=2 --set train.RandomCrop" in line
    assert ".height=11 --weights none" in line and "--fresh" not in line
    args = parser.parse_args(words)
    assert args.run(args) == 0
    assert "model.keras: mIoU" in capsys.readouterr().out
    facts = json.loads((tmp_path / "a run" / "run.json").read_text())
    crop = {"type": "RandomCrop", "height": 11, "width": 14, "fill": None}
    assert facts["recipe"]["train"][1] == crop


def test_tiny_run_is_what_these_tests_think(data):
    assert recipe().steps_per_epoch == 4
    assert tf.io.gfile.exists(str(data / "classes.csv"))


def _after(monkeypatch, step, do):
    """Do something when an optimizer step is done."""
    from hyperseg_tf.training.state import Position

    original = Position.on_train_batch_end

    def hook(position, batch, logs=None):
        original(position, batch, logs)
        if position.step == step:
            do()

    monkeypatch.setattr(Position, "on_train_batch_end", hook)


@pytest.mark.slow
@pytest.mark.parametrize("step", [6, pytest.param(8, marks=pytest.mark.grid)])
def test_run_stopped_by_sigterm_ends_like_an_uninterrupted_one(
    step, whole, data, tmp_path, monkeypatch
):
    _, reference = whole
    out = tmp_path / "run"
    # Schedulers send it several times: that changes nothing.
    sent = [signal.SIGTERM, signal.SIGTERM]
    with monkeypatch.context() as patch, stoppable():
        _after(patch, step, lambda: [os.kill(os.getpid(), s) for s in sent])
        with pytest.raises(Stopped) as caught:
            train(recipe(), data, out, build=build)
    assert caught.value.number == signal.SIGTERM
    model = keras.models.load_model(out / "latest.keras")
    assert int(model.optimizer.iterations) == step
    assert not list(out.glob(".*.*"))
    result = train(recipe(), data, out, build=build)
    assert_same_state(out, reference)
    assert [row["epoch"] for row in result.log] == [1, 2, 3]


@pytest.mark.slow
def test_signals_of_a_python_caller_stay_the_callers(data, tmp_path, monkeypatch):
    def mine(number, frame):
        raise AssertionError

    seen = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = signal.signal(signal.SIGINT, mine)
    try:
        _after(monkeypatch, 1, lambda: seen.extend(map(signal.getsignal, numbers)))
        train(recipe(epochs=1), data, tmp_path / "run", build=build)
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [mine, signal.SIG_DFL, signal.SIG_DFL]


@pytest.mark.slow
def test_command_ended_by_sigterm_saves_and_says_how_to_resume(
    data, tmp_path, monkeypatch, capsys
):
    from hyperseg_tf import cli, recipes

    monkeypatch.setattr(recipes, "get", lambda name: recipe())
    monkeypatch.setattr("hyperseg_tf.training.model.build_hyperseg", build)
    monkeypatch.setattr("hyperseg_tf.training.train.check_start", lambda recipe: None)
    _after(monkeypatch, 2, lambda: os.kill(os.getpid(), signal.SIGTERM))
    words = ["train", "tiny", "--data", str(data), "--out", str(tmp_path / "run")]
    assert cli.main([*words, "--weights", "none"]) == 143
    said = capsys.readouterr().err
    assert "stopping after this step; Ctrl-C stops at once" in said
    assert "stopped; to resume:\n  hyperseg-tf train tiny" in said
    model = keras.models.load_model(tmp_path / "run" / "latest.keras")
    assert int(model.optimizer.iterations) == 2


@pytest.mark.slow
def test_a_full_disk_is_one_line_that_names_the_file_and_keeps_what_was_saved(
    data, tmp_path, monkeypatch, capsys
):
    from hyperseg_tf import cli, recipes

    monkeypatch.setattr(recipes, "get", lambda name: recipe())
    monkeypatch.setattr("hyperseg_tf.training.model.build_hyperseg", build)
    monkeypatch.setattr("hyperseg_tf.training.train.check_start", lambda recipe: None)
    words = ["train", "tiny", "--data", str(data), "--out", str(tmp_path / "run")]
    words += ["--weights", "none", "--set", "overlays=0"]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit = (10_000, hard)  # below the size of a model
    try:
        with monkeypatch.context() as patch:
            _after(patch, 5, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))
            assert cli.main(words) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("hyperseg-tf: error: ") and "File too large" in line
    assert str(tmp_path / "run") in line and "/." not in line
    model = keras.models.load_model(tmp_path / "run" / "latest.keras")
    assert int(model.optimizer.iterations) == 4
    assert not list((tmp_path / "run").glob(".*.*"))


@pytest.mark.slow
@pytest.mark.parametrize("split", ["train", "val"])
def test_data_that_vanish_while_it_trains_are_named(split, tmp_path, monkeypatch):
    folder = write_data(tmp_path / "data")
    _after(monkeypatch, 5, lambda: shutil.rmtree(folder / split))
    with pytest.raises(UserError, match=f"{folder / split}/.*can be read: No such"):
        train(recipe(cache=False, epochs=9), folder, tmp_path / "r", build=build)
    model = keras.models.load_model(tmp_path / "r" / "latest.keras")
    assert int(model.optimizer.iterations) % 4 == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"weights": "nowhere.keras"}, "nowhere.keras does not exist"),
        ({"anneal": 0}, "annealed in at least 1 step"),
        ({"extend": 2}, "give more epochs"),
    ],
)
def test_what_is_refused_discards_no_run(wrong, message, whole, data, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(whole[1], out)
    options = {} if "weights" in wrong else {"build": build}
    preset = recipe(preset="hyperseg_tiny") if "weights" in wrong else recipe()
    with pytest.raises(UserError, match=message):
        train(preset, data, out, resume=False, **wrong, **options)
    assert_same_state(out, whole[1])
    assert (out / "log.csv").read_bytes() == (whole[1] / "log.csv").read_bytes()
