import csv
import json
import os
import signal
import sys
from dataclasses import replace

import keras
import numpy as np
import pytest

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.compression.kernels import kernels
from hyperseg_tf.compression.toolkit import toolkit
from hyperseg_tf.recipes import Prune
from hyperseg_tf.training import pruning
from hyperseg_tf.training.pruning import Pruning, first_epoch, largest
from hyperseg_tf.training.train import train
from tests.tiny_segmenter import random_hyperseg
from tests.training.tiny_run import assert_same_state, build, on_two_devices, recipe

PRUNE = Prune(sparsity=0.6, every=3, end=0.7, smallest=16)


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """A run of 12 steps that prunes and that nothing interrupted."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    return train(recipe(prune=PRUNE), data, out, build=build), out


def zeros(model):
    return [float(np.mean(np.asarray(k.variable) == 0)) for k in kernels(model)]


@pytest.mark.parametrize("sparsity, kept", [(0, 6), (0.3, 6), (0.5, 5), (0.9, 1)])
def test_the_largest_magnitudes_are_kept_and_zeros_never(sparsity, kept):
    values = np.array([[0.0, -5.0, 2.0], [3.0, -1.0, 4.0], [0.5, -0.0, 0.0]])
    found = largest(values, sparsity)
    assert set(values[found]) == set([-5.0, 4.0, 3.0, 2.0, -1.0, 0.5][:kept])


@pytest.mark.parametrize("epochs", [1, 3, 7, 50])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"every": 7},
        {"begin": 0.3, "end": 1.0, "every": 4},
        {"begin": 0.9, "schedule": "constant"},
        {"begin": 0.99, "end": 0.995},
    ],
)
def test_every_run_reaches_its_sparsity_in_time(epochs, changes):
    """A toolkit's schedule acts every so many steps, and not at an end between."""
    run = recipe(epochs=epochs, prune=Prune(sparsity=0.75, **changes))
    schedule = pruning.schedule(run)
    num_steps = epochs * run.steps_per_epoch
    turns = {step: schedule(np.int64(step)) for step in range(num_steps + 1)}
    acted = {step: float(share) for step, (due, share) in turns.items() if bool(due)}
    reached = min(step for step, share in acted.items() if share > 0.75 - 1e-6)
    assert first_epoch(run) < epochs
    assert reached <= (first_epoch(run) + 1) * run.steps_per_epoch
    if first_epoch(run):
        assert reached > first_epoch(run) * run.steps_per_epoch


class Watch(keras.callbacks.Callback):
    """Zeros of each kernel after each step, and where they are."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        found = kernels(self.model)
        self.seen.append([np.asarray(k.variable) == 0 for k in found])


@pytest.mark.slow
def test_the_toolkits_schedule_is_followed_and_zeros_are_held_after_each_step():
    model = build("two_layers", 3, None)
    model.compile("adam", "mse")
    rng = np.random.default_rng(0)
    images = rng.normal(size=(24, 6, 7, 3)).astype("float32")
    labels = rng.normal(size=(24, 6, 7, 3)).astype("float32")
    schedule = toolkit().sparsity.keras.PolynomialDecay(
        0.2, 0.8, begin_step=2, end_step=8, frequency=3
    )
    watch = Watch()
    callbacks = [Pruning(schedule, smallest=100), watch]
    model.fit(images, labels, batch_size=2, verbose=0, callbacks=callbacks)
    shares = [np.mean(first) for first, _ in watch.seen]
    size = 3 * 3 * 3 * 5
    want = [0, *[0.2] * 3, *[0.725] * 3, *[0.8] * 5]  # 0.8 - 0.6 * (1 - 3/6) ** 3
    assert shares == pytest.approx([round(w * size) / size for w in want])
    for before, after in zip(watch.seen, watch.seen[1:], strict=False):
        assert (after[0] | ~before[0]).all()
    # The other kernel, of 15 weights, is too small.
    assert not any(second.any() for _, second in watch.seen)


@pytest.mark.slow
def test_a_run_that_prunes_says_how_sparse_its_best_model_is(whole):
    result, out = whole
    model = keras.models.load_model(out / "model.keras", compile=False)
    first, second = zeros(model)
    assert first == round(0.6 * 135) / 135 and second == 0
    assert result.sparsity == pytest.approx(first)
    report = json.loads((out / "sparsity.json").read_text())
    assert report["val_miou"] == result.best_miou
    assert report["epoch"] == result.best_epoch and report["model"] == "model.keras"
    assert [layer["zeros"] for layer in report["layers"]] == [81, 0]
    text = (out / "sparsity.txt").read_text()
    assert f"mIoU {result.best_miou:.4f}" in text and "60.00" in text
    with (out / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[-1]["sparsity"]) == pytest.approx(first)


@pytest.mark.slow
@pytest.mark.parametrize("step", [3, 8])
def test_a_resumed_run_prunes_as_an_uninterrupted_one(
    step, whole, data, tmp_path, monkeypatch
):
    from hyperseg_tf.training.state import Position

    original = Position.on_train_batch_end

    def hook(position, batch, logs=None):
        original(position, batch, logs)
        if position.step == step:
            os.kill(os.getpid(), signal.SIGINT)

    out = tmp_path / "run"
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(Position, "on_train_batch_end", hook)
            train(recipe(prune=PRUNE), data, out, build=build)
    finally:
        signal.signal(signal.SIGINT, before)
    train(recipe(prune=PRUNE), data, out, build=build)
    assert_same_state(out, whole[1])
    reports = [json.loads((o / "sparsity.json").read_text()) for o in (out, whole[1])]
    for report in reports:
        for layer in report["layers"]:
            layer.pop("name")  # Keras counts on
    assert reports[0] == reports[1]


@pytest.mark.slow
def test_no_epoch_before_the_sparsity_is_reached_is_kept(data, tmp_path, monkeypatch):
    from hyperseg_tf.training import scores

    # The first epoch scores best, as it may: nothing is gone yet.
    ious = iter((0.9, 0.5, 0.4))
    monkeypatch.setattr(scores, "mean_iou", lambda counts: next(ious))
    late = recipe(prune=replace(PRUNE, begin=0.3, end=0.6))
    result = train(late, data, tmp_path / "run", build=build)
    assert first_epoch(late) == 1
    assert (result.best_epoch, result.best_miou) == (2, 0.5)
    model = keras.models.load_model(tmp_path / "run" / "model.keras", compile=False)
    assert zeros(model)[0] == 0.6


@pytest.mark.slow
def test_a_model_without_a_large_kernel_is_refused(data, tmp_path):
    large = recipe(prune=replace(PRUNE, smallest=1000))
    with pytest.raises(UserError, match="none of 1000 weights.*prune.smallest"):
        train(large, data, tmp_path / "run", build=build)


def test_without_the_toolkit_nothing_is_written_and_the_line_says_what_to_install(
    data, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "tensorflow_model_optimization", None)
    with pytest.raises(UserError, match=r"pip install 'hyperseg_tf\[compress\]'"):
        train(recipe(prune=PRUNE), data, tmp_path / "run", build=build)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_zeros_survive_folding():
    model = random_hyperseg()
    for kernel in kernels(model, 1000):
        values = np.asarray(kernel.variable)
        kernel.variable.assign(np.where(largest(values, 0.75), values, 0))
    folded = model.fold()
    before = {k.name: k.variable for k in kernels(model, 1000)}
    assert len(before) > 20
    for kernel in kernels(folded, 1000):
        name = kernel.name.rpartition("/")[2]  # inside a bottleneck
        found = np.asarray(kernel.variable) == 0
        np.testing.assert_array_equal(found, np.asarray(before[name]) == 0)
        assert abs(found.mean() - 0.75) < 1e-3


@pytest.mark.slow
def test_two_devices_hold_the_same_zeros(data, tmp_path):
    code = f"""
import numpy as np
from hyperseg_tf.training.pruning import Pruning
from tests.training.test_pruning import PRUNE
seen = []
original = Pruning.on_train_batch_end
def watch(self, batch, logs=None):
    original(self, batch, logs)
    copies = self.variables[0].value.values
    zeros = [np.asarray(copy) == 0 for copy in copies]
    assert len(zeros) == 2 and (zeros[0] == zeros[1]).all()
    seen.append(zeros[0].mean())
Pruning.on_train_batch_end = watch
out = {str(tmp_path / "run")!r}
pruned = recipe(prune=PRUNE)
train(pruned, {str(data)!r}, out, devices=devices, build=build)
assert len(seen) == 12 and seen[-1] == 0.6 and sorted(seen) == seen, seen
"""
    on_two_devices(code)
