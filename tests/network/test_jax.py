import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from hyperseg_tf import HyperSeg
from hyperseg_tf.convert.released import entries as released
from hyperseg_tf.network.decoder import Level
from tests.calibrated import precision
from tests.golden import arrays, state_dict
from tests.layouts import nhwc
from tests.network.test_model import MODELS

_ROOT = Path(__file__).resolve().parents[2]


def _run(folder, module, *arguments):
    """A module of tests.network with JAX, in a process of its own."""
    subprocess.run(
        [sys.executable, "-m", f"tests.network.{module}", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        check=True,
    )


def _jax_logits(model, images, folder, floatx="float32"):
    model.save(folder / "model.keras")
    np.save(folder / "images.npy", images)
    _run(folder, "jax_logits", "model.keras", "images.npy", "logits.npy", floatx)
    return np.load(folder / "logits.npy")


def _difference(found, want):
    return np.abs(found - want).max() / np.abs(want).max()


@pytest.mark.slow
def test_a_level_computes_the_same_without_tensorflow(tmp_path):
    rng = np.random.default_rng(0)
    shapes = {"feature": (2, 6, 10, 3), "previous": (2, 3, 5, 2)}
    shapes["weights"] = (2, 3, 5, 14 * (7 + 9 + 3))
    inputs = {k: rng.normal(size=s).astype("float32") for k, s in shapes.items()}
    np.savez(tmp_path / "inputs.npz", **inputs)
    _run(tmp_path, "jax_parts", "inputs.npz", "output.npy")
    want = Level(3, 3, implementation="einsum")(list(inputs.values()))
    assert _difference(np.load(tmp_path / "output.npy"), np.asarray(want)) <= 1e-5


@pytest.mark.slow  # JAX compiles every initial value by itself
def test_jax_computes_the_same_logits_without_tensorflow(tmp_path):
    keras.utils.set_random_seed(0)
    model = HyperSeg.from_preset("hyperseg_tiny", implementation="einsum")
    images = np.random.default_rng(0).normal(size=(2, 70, 64, 3)).astype("float32")
    found = _jax_logits(model, images, tmp_path)
    assert _difference(found, np.asarray(model(images))) <= 1e-5


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name,
            marks=pytest.mark.slow if name == "camvid_hyperseg_s" else pytest.mark.grid,
        )
        for name in MODELS
    ],
)
def test_jax_computes_the_same_logits_of_every_published_model(name, tmp_path):
    # The logits of the PASCAL VOC model with the reference weights move by 1.6e-5 when
    # the reference changes its number of threads; in float64 the two must agree.
    floatx = "float64" if name == "vocsbd_hyperseg_l" else "float32"
    gold = arrays(name)
    with precision(floatx):
        model = HyperSeg.from_preset(
            MODELS[name][0], backbone_padding="static", implementation="einsum"
        )
        released.assign(model, state_dict(name))
        images = nhwc(gold["a/image"]).astype(floatx)
        want = np.asarray(model(images, training=False))
    found = _jax_logits(model, images, tmp_path, floatx)
    assert _difference(found, want) <= 1e-5
    reference = gold["a/logits"] if "a/logits" in gold.files else None
    if reference is not None:
        assert _difference(found, nhwc(reference)) <= 2e-4
