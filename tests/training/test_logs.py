from datetime import datetime

import keras
import numpy as np
import pytest

from hyperseg_tf.base.progress import ending_bars, say
from hyperseg_tf.training.logs import Announce, CsvLog, EpochBar, EpochLine, Measure
from hyperseg_tf.training.plan import Plan
from hyperseg_tf.training.run_folder import RunFolder
from hyperseg_tf.training.state import Position
from tests.terminal import terminal
from tests.training.tiny_run import recipe


def _plan(steps, epochs=1, **changes):
    return Plan(recipe(epochs=epochs, samples_per_epoch=2 * steps, **changes))


def test_speed_leaves_the_traced_step_out(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("hyperseg_tf.training.logs.time.perf_counter", lambda: clock[0])
    measure = Measure(Position(3, _plan(4, learning_rate=4, power=1)), batch_size=4)
    measure.on_epoch_begin(0)
    for seconds in (40, 1, 3):
        clock[0] += seconds
        measure.on_train_batch_end(0)
    clock[0] += 6  # validation
    logs = {}
    measure.on_epoch_end(0, logs)
    assert logs.pop("memory_gib") > 0.01  # TensorFlow alone is more.
    assert logs == {"lr": 2.0, "images_per_s": 2.0, "seconds": 50.0}


def test_what_remains_is_steps_and_validations_as_long_as_the_last(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("hyperseg_tf.training.logs.time.perf_counter", lambda: clock[0])
    position = Position(0, _plan(4, epochs=3))
    measure = Measure(position, batch_size=2)

    def epoch(*seconds, validation):
        measure.on_epoch_begin(0)
        for each in seconds:
            clock[0] += each
            position.step += 1
            measure.on_train_batch_end(0)
        clock[0] += validation
        measure.on_epoch_end(0, {})

    epoch(40, 1, 2, 3, validation=7)
    assert measure.remaining == 8 * 2 + 2 * 7
    clock[0] += 5  # Drawing and saving.
    epoch(4, 4, 4, 4, validation=6)
    assert measure.remaining == 4 * 4 + (6 + 5)
    position.plan = position.plan.annealed(8, 2)
    assert measure.remaining == 2 * 4 + (6 + 5)


def test_before_a_step_was_timed_nothing_is_said_of_what_remains():
    position = Position(0, _plan(1, epochs=3))
    measure = Measure(position, batch_size=2)
    measure.on_epoch_begin(0)
    position.step += 1
    measure.on_train_batch_end(0)  # Traced.
    measure.on_epoch_end(0, {})
    assert np.isnan(measure.remaining)


def test_memory_of_a_gpu_stands_in_the_logs_where_there_is_one(monkeypatch):
    monkeypatch.setattr("hyperseg_tf.training.logs.peak_gpu_memory", lambda: 3 * 2**29)
    monkeypatch.setattr("hyperseg_tf.training.logs.peak_memory", lambda: None)
    measure, logs = Measure(Position(1, _plan(3)), batch_size=2), {}
    measure.on_epoch_begin(0)
    measure.on_epoch_end(0, logs)
    assert logs["gpu_memory_gib"] == 1.5 and "memory_gib" not in logs


def test_waiting_is_a_share_of_the_time_without_the_traced_step(monkeypatch):
    clock, waited = [0.0], [7.0]
    monkeypatch.setattr("hyperseg_tf.training.logs.time.perf_counter", lambda: clock[0])
    measure = Measure(Position(3, _plan(3)), 4, lambda: waited[0])
    for expected in (1 / 4, 7 / 12):
        measure.on_epoch_begin(0)
        for seconds, wait in ((8, 6), (1, 0.5), (3, 0.5)):
            clock[0] += seconds
            waited[0] += wait
            measure.on_train_batch_end(0)
        logs = {}
        measure.on_epoch_end(0, logs)
        assert logs["waited"] == pytest.approx(expected)


def test_rows_of_a_run_that_an_older_version_began_are_kept(tmp_path):
    folder = RunFolder(tmp_path)
    old, new = {"epoch": 1, "step": 4, "loss": 0.5}, {"epoch": 2, "step": 8, "new": 1}
    folder.write_log([old, new])
    first, second = folder.read_log()
    assert (second["new"], first["loss"]) == (1, 0.5) and np.isnan(second["loss"])
    assert np.isnan(first["new"])


def test_log_drops_the_rows_after_the_resumed_step(tmp_path):
    folder = RunFolder(tmp_path)
    folder.write_log([{"epoch": i, "step": 10 * i, "loss": 0.5} for i in (1, 2, 3)])
    log = CsvLog(folder, Position(20, _plan(10)))
    assert [row["epoch"] for row in log.rows] == [1, 2]


class Watch(keras.callbacks.Callback):
    """What stands on the terminal after each step."""

    def __init__(self, shown):
        super().__init__()
        self.shown = shown
        self.after = []

    def on_train_batch_end(self, batch, logs=None):
        self.after.append(self.shown.lines[-1])


def fit(shown, start, epochs=2, steps=5, stop=None):
    """Fit a line on a terminal from step `start` on, with a bar."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.ones((2 * steps, 3), "float32")
    position = Position(start, _plan(steps, epochs))
    watch = Watch(shown)
    callbacks = [position, EpochBar(position), watch]
    first, done = divmod(start, steps)
    model.fit(
        x,
        x[:, :1],
        batch_size=2,
        initial_epoch=first,
        epochs=epochs,
        steps_per_epoch=steps - done,
        callbacks=callbacks + ([stop] if stop else []),
        verbose=0,
    )
    return watch.after


@pytest.fixture
def every_step_is_drawn(monkeypatch):
    seconds = iter(range(10_000))
    monkeypatch.setattr("tqdm.std.time", lambda: next(seconds))


def test_bar_shows_step_rate_and_loss_of_each_epoch(every_step_is_drawn, capsys):
    with terminal() as shown:
        after = fit(shown, 0)
    assert len(after) == 10
    for i, line in enumerate(after):
        assert line.startswith(f"epoch {i // 5 + 1}/2") and f" {i % 5 + 1}/5 " in line
        assert "step" in line
    assert all("loss " in line for line in after[:4])
    assert "validating" in after[4] and "validating" in after[9]
    assert shown.lines == [""]  # the line of the epoch takes its place
    assert capsys.readouterr() == ("", "")


def test_bar_of_a_resumed_epoch_begins_in_its_middle(every_step_is_drawn):
    with terminal() as shown:
        after = fit(shown, 7)
    assert [" 3/5 " in after[0], " 4/5 " in after[1], " 5/5 " in after[2]] == [True] * 3
    assert len(after) == 3 and after[0].startswith("epoch 2/2")


def test_bar_leaves_nothing_behind_an_interruption():
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    with terminal() as shown:
        with pytest.raises(KeyboardInterrupt), ending_bars():
            fit(shown, 0, stop=Stop())
        say("stopped")
    assert "epoch 1/2" in shown.getvalue()
    assert shown.lines == ["stopped", ""]


def test_line_of_an_epoch_has_its_scores(capsys):
    logs = {"loss": 1.5, "val_loss": 2.25, "val_miou": 0.125, "lr": 1e-3}
    EpochLine(Position(0, _plan(3, epochs=7))).on_epoch_end(
        2, logs | {"images_per_s": 3.0, "seconds": 61.4}
    )
    out, err = capsys.readouterr()
    assert out == "" and err == (
        "epoch 3/7  loss 1.5000  val_loss 2.2500  val_miou 0.1250  lr 1.00e-03  "
        "3.0 images/s  61 s\n"
    )
    logs |= {"images_per_s": 3.0, "seconds": 61.4, "waited": 0.347}
    EpochLine(Position(0, _plan(3, epochs=7))).on_epoch_end(2, logs)
    assert "3.0 images/s  35% waiting for data  61 s" in capsys.readouterr().err


def _line(capsys, step, seconds, finish_by=None, **logs):
    """The line of the epoch that ends at a step of 21."""
    names = ("loss", "val_loss", "val_miou", "lr", "images_per_s", "seconds")
    position = Position(step, _plan(3, epochs=7))
    line = EpochLine(position, lambda: seconds, finish_by)
    line.on_epoch_end(step // 3 - 1, dict.fromkeys(names, 0.5) | logs)
    return capsys.readouterr().err


def test_line_of_an_epoch_tells_memory_and_when_the_run_is_over(capsys, monkeypatch):
    class Noon(datetime):
        @classmethod
        def now(cls):
            return cls(2030, 5, 6, 12)

    monkeypatch.setattr("hyperseg_tf.training.logs.datetime", Noon)
    said = _line(capsys, 6, 5400, memory_gib=1.26)
    assert said.endswith("  0 s  1.3 GiB  1 h 30 min left, until 13:30\n")
    said = _line(capsys, 6, 86400, memory_gib=1.26, gpu_memory_gib=10.04)
    assert said.endswith(
        "  1.3 GiB  10.0 GiB of the GPU  24 h 00 min left, until 07 May 12:00\n"
    )
    # The plan is made shorter in time.
    by = Noon(2030, 5, 6, 12, 20)
    assert _line(capsys, 6, 5400, by).endswith("  20 min left, until 12:20\n")
    assert _line(capsys, 6, 60, by).endswith("  60 s left, until 12:01\n")
    # Over, or nobody knows.
    assert _line(capsys, 21, 0).endswith("  0 s\n")
    assert _line(capsys, 6, np.nan).endswith("  0 s\n")


def test_the_classes_of_the_lowest_iou_are_told_in_a_line(capsys):
    logs = dict.fromkeys(
        ("loss", "val_loss", "val_miou", "lr", "images_per_s", "seconds"), 0.5
    )
    ious = {"sky": 0.9, "thin pole": 0.0625, "absent": np.nan, "a": 0.5, "b": 0.75}
    logs |= {f"iou/{name}": value for name, value in ious.items()}
    line = EpochLine(Position(0, _plan(3, epochs=7)))
    line.on_epoch_end(2, logs | {"iou/c": 0.8})
    lines = capsys.readouterr().err.splitlines()
    assert lines[1:] == ["  lowest IoU: thin pole 0.062, a 0.500, b 0.750, c 0.800"]


def test_after_a_few_steps_the_length_of_the_run_is_told_once(monkeypatch, capsys):
    clock = [5.0]
    monkeypatch.setattr("hyperseg_tf.training.logs.time.perf_counter", lambda: clock[0])
    position = Position(0, _plan(100, epochs=3))
    announce = Announce(position, validation=50.0)
    announce.on_train_begin()
    for seconds in (60, *[2] * 20):
        clock[0] += seconds
        position.step += 1
        announce.on_train_batch_end(0)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(";")[0] for line in lines] == [
        "tracing the first step",
        "first step done after 60 s",
        "a step takes 2 s",
    ]
    # 291 steps of 2 s, three validations of 50 * 0.4 steps.
    assert "about 12 min left, until " in lines[-1]
