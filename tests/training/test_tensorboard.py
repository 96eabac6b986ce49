import json

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from hyperseg_tf.training.plan import Plan
from hyperseg_tf.training.run_folder import RunFolder
from hyperseg_tf.training.state import Position
from hyperseg_tf.training.tensorboard import TensorBoardLog
from tests.training.tiny_run import recipe


def _written(path):
    found = EventAccumulator(str(path), {"tensors": 0})
    found.Reload()
    return {
        tag: [(e.step, tf.make_ndarray(e.tensor_proto)) for e in found.Tensors(tag)]
        for tag in found.Tags()["tensors"]
    }


def _numbers(written, tag):
    return [(step, float(value)) for step, value in written[tag]]


def _run(path, start, losses):
    """One epoch of four steps from a step on."""
    position = Position(start, Plan(recipe()))
    pictures = [np.full((5, 6, 3), 40 * i, np.uint8) for i in range(2)]
    log = TensorBoardLog(RunFolder(path), recipe(), position, lambda: pictures)
    log.on_epoch_begin(0)
    for i in range(start % 4, 4):
        position.step += 1
        log.on_train_batch_end(i, {"loss": float(np.mean(losses[: i + 1]))})
    log.on_epoch_end(0, {"val_miou": 0.5})
    return _written(path / "tensorboard")


def test_steps_epochs_recipe_and_pictures_are_written(tmp_path):
    losses = [2.0, 1.0, 4.0, 0.5]
    written = _run(tmp_path, 4, losses)
    steps, found = zip(*_numbers(written, "step/loss"), strict=True)
    assert steps == (5, 6, 7, 8)
    assert found == pytest.approx(losses)
    rates = [rate for _, rate in _numbers(written, "step/lr")]
    assert rates == pytest.approx([0.03 * (1 - i / 12) ** 0.9 for i in range(4, 8)])
    assert _numbers(written, "val_miou") == [(8, 0.5)]
    ((_, text),) = written["recipe"]
    text = text.item().decode().removeprefix("```json").removesuffix("```")
    assert json.loads(text) == recipe().as_data()
    for number in range(2):
        ((step, image),) = written[f"validation/{number}"]
        assert step == 8 and list(image[:2]) == [b"6", b"5"]


def test_an_epoch_that_is_resumed_has_no_loss_for_its_first_step(tmp_path):
    written = _run(tmp_path, 6, [2.0, 1.0, 4.0, 0.5])
    assert _numbers(written, "step/loss") == [(8, pytest.approx(0.5))]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "tensorboard").write_text("a file")
    with pytest.raises(OSError, match="TensorBoard's logs") as caught:
        _run(tmp_path, 0, [1.0, 1.0, 1.0, 1.0])
    assert caught.value.filename == str(tmp_path / "tensorboard")
