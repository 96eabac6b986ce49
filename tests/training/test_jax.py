"""Training under JAX, in one process and in several, beside that under TensorFlow."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from hyperseg_tf.training.run_folder import RunFolder
from tests.training import jax_run
from tests.training.tiny_run import assert_same_state, write_data

ROOT = Path(__file__).parents[2]
_LONGEST_S = 400

pytestmark = pytest.mark.slow


def start(what, data, out, count=1):
    """Processes of `jax_run`, all of one run."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "tests.training.jax_run", what, str(data), str(out)]
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)}
    return [
        subprocess.Popen(
            [*words, str(count), str(index), str(port)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(count)
    ]


def finish(started):
    """(exit status, stdout, stderr) of each."""
    try:
        said = [process.communicate(timeout=_LONGEST_S) for process in started]
    finally:
        for process in started:
            process.kill()
    return [(p.returncode, *both) for p, both in zip(started, said, strict=True)]


def run(what, data, out, count=1):
    """What the processes said on stderr, all of which did well."""
    out.mkdir()
    done = finish(start(what, data, out, count))
    for status, _, said in done:
        assert status == 0, said[-3000:]
    return [said for _, _, said in done]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def one(data, tmp_path_factory):
    """Where one process has trained under JAX."""
    out = tmp_path_factory.mktemp("runs") / "one"
    run("steps,stopped,logits", data, out)
    return out


def assert_same_steps(a, b):
    """Losses of all steps and of the validation, and moving statistics, agree."""
    one, two = (np.load(out / "losses.npy") for out in (a, b))
    assert len(one) == jax_run.STEPS == 20
    np.testing.assert_allclose(one, two, atol=1e-4)
    ((one,), (two,)) = (RunFolder(out / "steps").read_log() for out in (a, b))
    assert abs(one["val_loss"] - two["val_loss"]) <= 1e-4
    models = [keras.models.load_model(out / "steps/latest.keras") for out in (a, b)]
    for x, y in zip(*(model.weights for model in models), strict=True):
        if "moving" in x.name:
            scale = max(1.0, np.abs(np.asarray(x)).max())
            np.testing.assert_allclose(x, y, atol=1e-5 * scale, err_msg=x.name)


def test_a_run_under_jax_is_that_under_tensorflow(one, data, tmp_path):
    jax_run.steps(data, tmp_path)
    assert_same_steps(one, tmp_path)
    written = [
        sorted(p.name for p in (out / "steps").iterdir()) for out in (one, tmp_path)
    ]
    assert written[0] == written[1]
    facts = RunFolder(one / "steps").read_facts()
    assert facts["environment"]["backend"] == "jax" and "jax" in facts["versions"]


def test_a_model_trained_under_jax_has_the_same_logits_under_tensorflow(one):
    model = keras.models.load_model(one / "steps/model.keras", compile=False)
    want = np.load(one / "logits.npy")
    np.testing.assert_allclose(np.asarray(model(jax_run.images())), want, atol=1e-5)


def test_a_run_stopped_under_jax_ends_like_an_uninterrupted_one(one):
    assert_same_state(one / "whole", one / "stopped")


def test_two_processes_train_what_one_trains(one, data, tmp_path):
    out = tmp_path / "two"
    said = run("steps,stopped", data, out, count=2)
    assert_same_steps(one, out)
    # A signal to the second stops both after the same step.
    assert_same_state(out / "whole", out / "stopped")
    # Each begins with its own half of the first batch.
    first = [re.search(r"process (\d) of 2 begins with (.*)", text) for text in said]
    numbers = [re.findall(r"(\d+) \d\.png", found.group(2)) for found in first]
    assert [found.group(1) for found in first] == ["0", "1"]
    assert numbers == [["0", "1"], ["2", "3"]]


def test_the_end_of_a_process_ends_the_others(data, tmp_path):
    first, last = finish(start("gone", data, tmp_path, count=2))
    assert last[0] == 1
    assert first[0] != 0
    assert "processes of a run must go on" in first[2] or "task died" in first[2]
