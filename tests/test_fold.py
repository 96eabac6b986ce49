import keras
import numpy as np
import pytest

from hyperseg_tf import HyperSeg, presets
from hyperseg_tf.batch_norm import BatchNorm
from hyperseg_tf.model import load

# One of each kind: plain; halo of the neighbour; a head shared by two levels.
NAMES = ("hyperseg_tiny", "hyperseg_s_camvid", "hyperseg_s_cityscapes")


def _trained(preset):
    """A model whose normalizations are far from the identity."""
    model = HyperSeg.from_preset(preset)
    rng = np.random.default_rng(0)
    for norm in _norms(model):
        shape = norm.gamma.shape
        norm.gamma.assign(rng.uniform(0.5, 1.5, shape))
        norm.beta.assign(rng.normal(size=shape) * 0.1)
        norm.moving_mean.assign(rng.normal(size=shape) * 0.1)
        norm.moving_variance.assign(rng.uniform(0.5, 2.0, shape))
    return model


def _norms(model):
    return [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]


@pytest.mark.parametrize("name", [*NAMES, "neighbour"])
def test_folding_keeps_the_logits_and_leaves_no_normalization(name, tmp_path):
    if name == "neighbour":
        preset = presets.Preset.from_dict(
            {
                **presets.get("hyperseg_tiny").to_dict(),
                "halo": "neighbour",
                "context_head": "replace",
            }
        )
    else:
        preset = presets.get(name)
    model = _trained(preset)
    images = np.random.default_rng(1).normal(size=(2, 64, 100, 3)).astype("float32")
    want = np.asarray(model(images))
    folded = model.fold()
    assert any(isinstance(norm, BatchNorm) for norm in _norms(model))
    assert not _norms(folded)
    found = np.asarray(folded(images))
    assert np.abs(found - want).max() <= 1e-5 * np.abs(want).max()
    folded.save(tmp_path / "folded.keras")
    np.testing.assert_array_equal(load(tmp_path / "folded.keras")(images), found)


def test_folding_does_not_touch_the_model():
    model = _trained(presets.get("hyperseg_tiny"))
    before = [w.copy() for w in model.get_weights()]
    model.fold()
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_folding_twice_and_choosing_an_implementation():
    model = _trained(presets.get("hyperseg_tiny"))
    images = np.random.default_rng(1).normal(size=(1, 32, 40, 3)).astype("float32")
    folded = model.fold()
    again = folded.fold(implementation="einsum")
    assert again.implementation == "einsum"
    np.testing.assert_allclose(again(images), folded(images), rtol=1e-4, atol=1e-5)
