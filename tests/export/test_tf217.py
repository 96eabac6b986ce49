"""Under TensorFlow 2.17, the last with TF-TRT; `make test-tf217` sets it up."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.calibrated import pictures
from tests.tiny_segmenter import random_hyperseg

pytestmark = pytest.mark.tf217

ROOT = Path(__file__).parents[2]
BIN = ROOT / ".venv-tf217" / "bin"

# Of the spread of the logits.
TOLERANCE = 1e-5

# Each with its own: a random network magnifies how rounding differs between them.
WAYS = ("slices", "fused")

LOGITS = """
import sys
import numpy as np
import tensorflow as tf
import hyperseg_tf
from hyperseg_tf.base.pixels import normalise

print(tf.__version__)
model = hyperseg_tf.load(sys.argv[1])
images = normalise(np.load(sys.argv[2]))
ways = sys.argv[4:]
np.savez(sys.argv[3], **{way: model.fold(way)(images, training=False) for way in ways})
"""


def _run(*command):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run(
        [str(word) for word in command],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.fixture(scope="module")
def model():
    return random_hyperseg()


@pytest.fixture(scope="module")
def file(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("tf217") / "model.keras"
    model.save(path)
    return path


def test_logits_equal_those_of_this_tensorflow(model, file, tmp_path):
    from hyperseg_tf.base.pixels import normalise

    images = np.clip(255 * pictures(2, 97, 131), 0, 255).astype(np.uint8)
    np.save(tmp_path / "images.npy", images)
    names = [tmp_path / "images.npy", tmp_path / "logits.npz"]
    done = _run(BIN / "python", "-c", LOGITS, file, *names, *WAYS)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "2.17.1"
    with np.load(names[1]) as found:
        for way in WAYS:
            expected = np.asarray(model.fold(way)(normalise(images), training=False))
            error = np.abs(found[way] - expected).max()
            assert error <= TOLERANCE * np.ptp(expected), way


# What TensorFlow asks of the libraries before it takes them for TensorRT 8.6.1.
LIBRARIES = {
    "libnvinfer.so.8.6.1": "int getInferLibVersion() { return 8601; }",
    "libnvinfer_plugin.so.8.6.1": "int initLibNvInferPlugins() { return 1; }",
}

CONVERT = """
import sys
from pathlib import Path
from hyperseg_tf.export import probe, tf_trt
from hyperseg_tf.export.options import options

print(probe.missing_for_tf_trt())
here = Path(sys.argv[1])
tf_trt.convert(here, here / "out", options("tf_trt", size=(64, 96)))
"""


def test_the_export_to_tf_trt_ends_with_a_line_that_names_what_is_missing(
    file, tmp_path
):
    out = tmp_path / "out"
    options = ("--format", "tf_trt", "--size", "64x96", "--out", out)
    done = _run(BIN / "hyperseg-tf", "export", file, *options)
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert "TensorFlow 2.17.1 finds no libnvinfer.so.8.6.1" in line
    assert "NVIDIA GPU" in line
    assert "built with TensorRT" not in line  # As TensorFlow has it.
    assert not out.exists()


def test_with_the_libraries_the_converter_goes_as_far_as_a_gpu(tmp_path, monkeypatch):
    for name, code in LIBRARIES.items():
        command = ["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", tmp_path / name]
        subprocess.run(command, input=code.encode(), check=True)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    done = _run(BIN / "python", "-c", CONVERT, tmp_path)
    assert "NVIDIA GPU" in done.stdout and "libnvinfer" not in done.stdout
    assert "Specified device is not a GPU" in done.stderr.splitlines()[-1]
