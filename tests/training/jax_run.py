"""Tiny runs under JAX, in one process or as one of several; a program for tests.

    KERAS_BACKEND=jax python -m tests.training.jax_run WHAT DATA OUT COUNT INDEX PORT

Each part of WHAT, joined by commas, is a function here, and trains into folders of its
own under OUT.
"""

import json
import os
import signal
import sys
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np

from hyperseg_tf.network.batch_norm import BatchNorm
from hyperseg_tf.training.processes import Processes
from hyperseg_tf.training.state import Position
from hyperseg_tf.training.train import train
from tests.training import tiny_run

BATCH, STEPS = 4, 20
HEARTBEAT_S = 10
DEVICES = ["cpu:0"]


def network(preset, num_classes, weights):
    """Two layers, the same initial weights under every backend.

    Without a bias before the normalization: its gradient is rounding alone, of which
    Adam makes steps as large as any other's.
    """
    inputs = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(5, 3, padding="same", use_bias=False)(inputs)
    x = keras.layers.ReLU()(BatchNorm(momentum=0.8)(x))
    model = keras.Model(inputs, keras.layers.Conv2D(num_classes, 1)(x))
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        if variable.name == "kernel":
            variable.assign(rng.normal(size=variable.shape, scale=0.3))
    return model


@contextmanager
def after_steps(function):
    """Call `function(step, logs)` after each step."""
    original = Position.on_train_batch_end

    def hook(position, batch, logs=None):
        original(position, batch, logs)
        function(position.step, logs)

    Position.on_train_batch_end = hook
    try:
        yield
    finally:
        Position.on_train_batch_end = original


def steps(data, out, process=None):
    """Train an epoch of 20 steps; losses.npy has the loss of each."""
    means = [0.0]
    recipe = tiny_run.recipe(
        epochs=1,
        samples_per_epoch=STEPS * BATCH,
        batch_size=BATCH,
        evaluate_batch_size=1,
        overlays=1,
    )
    options = {"process": process, "devices": DEVICES, "build": network}
    with after_steps(lambda step, logs: means.append(float(logs["loss"]))):
        train(recipe, data, out / "steps", **options)
    if process is None or process.index == 0:
        # Keras tells the mean over all steps so far.
        np.save(out / "losses.npy", np.diff(np.arange(STEPS + 1) * means))


def stopped(data, out, process):
    """Stop in the middle of an epoch, by a signal to the last process, and go on."""
    recipe = tiny_run.recipe(epochs=1, samples_per_epoch=12, batch_size=4, overlays=0)
    options = {"process": process, "devices": DEVICES, "build": tiny_run.build}
    train(recipe, data, out / "whole", **options)
    last = process is None or process.index == process.count - 1

    def stop(step, logs):
        if step == 2 and last:
            os.kill(os.getpid(), signal.SIGINT)

    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with after_steps(stop):
            train(recipe, data, out / "stopped", **options)
        raise AssertionError("nothing stopped it")
    except KeyboardInterrupt:
        print("stopped")
    train(recipe, data, out / "stopped", **options)


def gone(data, out, process):
    """The last process ends without a word."""

    def leave(step, logs):
        if step == 2 and process.index == process.count - 1:
            os._exit(1)

    with after_steps(leave):
        steps(data, out, process)


def logits(data, out, process):
    """Save the logits of the best model beside it."""
    if process is None or process.index == 0:
        model = keras.models.load_model(out / "steps/model.keras", compile=False)
        np.save(out / "logits.npy", keras.ops.convert_to_numpy(model(images())))


def images():
    """Whose logits are compared, (2, 13, 17, 3)."""
    return np.random.default_rng(1).normal(size=(2, 13, 17, 3)).astype("float32")


def main(what, data, out, count="1", index="0", port="0"):
    """Do all parts."""
    process = None
    if int(count) > 1:
        address = f"127.0.0.1:{port}"
        process = Processes(address, int(count), int(index), HEARTBEAT_S)
    for part in what.split(","):
        globals()[part](Path(data), Path(out), process)
    print(json.dumps("done"))


if __name__ == "__main__":
    main(*sys.argv[1:])
