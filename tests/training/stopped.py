"""Runs that are stopped after chosen steps, held against one that is not."""

import os
import signal

import pytest

from hyperseg_tf.training.state import Position
from hyperseg_tf.training.train import train
from tests.training.tiny_run import assert_same_run, build


class Stop:
    """A callback-like hook that sends Ctrl-C after the given optimizer step."""

    def __init__(self, monkeypatch, step):
        original = Position.on_train_batch_end

        def hook(position, batch, logs=None):
            original(position, batch, logs)
            if position.step == step:
                os.kill(os.getpid(), signal.SIGINT)

        monkeypatch.setattr(Position, "on_train_batch_end", hook)


def stop_after(step, monkeypatch, recipe, data, out, **options):
    """Train until Ctrl-C after a step."""
    with monkeypatch.context() as patch:
        Stop(patch, step)
        with pytest.raises(KeyboardInterrupt):
            train(recipe, data, out, build=build, **options)


def whole_and_in_parts(monkeypatch, recipe, data, folder, stops=(2, 7)):
    """Train at once and with stops after steps; both must end with the same bits."""
    for step in stops:
        stop_after(step, monkeypatch, recipe, data, folder / "parts")
    for name in ("parts", "whole"):
        result = train(recipe, data, folder / name, build=build)
    assert_same_run(folder / "whole", folder / "parts")
    return result
