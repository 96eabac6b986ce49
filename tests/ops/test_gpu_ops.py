"""On a GPU, the ops against those of the CPU: `pytest -m gpu`."""

import numpy as np
import pytest
import tensorflow as tf

from hyperseg_tf import HyperSeg
from hyperseg_tf.ops import build, choice, fused
from tests.calibrated import pictures

pytestmark = pytest.mark.gpu

DEVICES = ("/CPU:0", "/GPU:0")
STEP = {"float32": 1e-5, "bfloat16": 2**-7, "float16": 2**-10}


@pytest.fixture(autouse=True)
def _kernels():
    assert tf.config.get_visible_devices("GPU"), "these tests need a GPU"
    assert build.no_gpu_kernels() == ""


def _on_both(run, *arrays):
    """What `run` returns on the CPU and on the GPU, as float32."""
    found = []
    for device in DEVICES:
        with tf.device(device):
            outputs = run(*(tf.identity(array) for array in arrays))
        assert all(device[1:4] in output.device for output in outputs)
        found.append([np.asarray(tf.cast(output, "float32")) for output in outputs])
    return zip(*found, strict=True)


def _close(want, found, dtype):
    scale = max(1.0, float(np.abs(want).max()))
    np.testing.assert_allclose(found, want, rtol=STEP[dtype], atol=STEP[dtype] * scale)


@pytest.mark.parametrize("padding", ["reflect", "replicate", "circular", "zeros"])
@pytest.mark.parametrize("dtype", STEP)
def test_a_convolution_and_its_gradients_are_those_of_the_cpu(dtype, padding):
    rng = np.random.default_rng(0)
    x = tf.constant(rng.normal(size=(2, 14, 39, 6)), dtype)
    weights = tf.constant(rng.normal(size=(2, 2, 3, 10 * 3 * 9)) / 5, dtype)
    upstream = tf.constant(rng.normal(size=(2, 14, 39, 10)), dtype)

    def run(x, weights, upstream):
        with tf.GradientTape() as tape:
            tape.watch((x, weights))
            y = fused.conv(x, weights, 10, 3, 2, padding)
        return y, *tape.gradient(y, (x, weights), upstream)

    for want, found in _on_both(run, x, weights, upstream):
        _close(want, found, dtype)


@pytest.mark.parametrize("halo", ["patch", "neighbour"])
@pytest.mark.parametrize("dtype", STEP)
def test_a_block_is_that_of_the_cpu(dtype, halo):
    rng = np.random.default_rng(0)
    hidden, filters, channels = 26, 7, 2 + 6 + 5
    units = hidden * (channels + 9 + filters) + 2
    shapes = [(2, 14, 36, 6), (2, 7, 18, 5), (2, 7, 3, 12), (6, units)]
    shapes += [(hidden,), (hidden,), (filters,)]
    arrays = [tf.constant(rng.normal(size=s) / 3, dtype) for s in shapes]

    def run(feature, previous, signal, head, *shifts):
        sizes = {"filters": filters, "hidden": hidden, "kernel_size": 3, "groups": 2}
        return (
            fused.block(feature, previous, signal, head, shifts, halo=halo, **sizes),
        )

    for want, found in _on_both(run, *arrays):
        _close(want, found, dtype)


def test_auto_is_fused_and_a_model_runs_so(monkeypatch):
    monkeypatch.delenv(choice.ENVIRONMENT, raising=False)
    assert choice.resolve("auto") == "fused"
    model = HyperSeg.from_preset("hyperseg_tiny")
    images = pictures(2, 70, 96)
    want = np.asarray(model.with_implementation("einsum")(images))
    scale = np.abs(want).max()
    # Stock convolutions of the backbone run in TF32 on newer devices.
    assert np.abs(np.asarray(model(images)) - want).max() <= 1e-2 * scale
