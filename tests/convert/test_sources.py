import numpy as np
import pytest

from hyperseg_tf import HyperSeg, UserError, presets
from hyperseg_tf.convert.metadata import after_training
from hyperseg_tf.convert.released import entries as released
from tests.golden import state_dict


def test_a_model_file_sets_everything(tmp_path):
    saved = HyperSeg.from_preset("hyperseg_tiny")
    saved.save(tmp_path / "model.keras")
    model = HyperSeg.from_preset("hyperseg_tiny", weights=tmp_path / "model.keras")
    for found, want in zip(model.get_weights(), saved.get_weights(), strict=True):
        np.testing.assert_array_equal(found, want)


def test_the_backbone_pads_as_the_file_was_made_for(tmp_path):
    saved = HyperSeg.from_preset("hyperseg_tiny", backbone_padding="static")
    saved.set_metadata({"released": {"arch": "a", "epoch": 3}, "classes": ["x"]})
    path = tmp_path / "model.keras"
    saved.save(path)
    model = HyperSeg.from_preset("hyperseg_tiny", weights=path)
    assert model.preset == saved.preset
    assert model.metadata == {"released": {"arch": "a", "epoch": 3}}
    assert after_training(model.metadata) == {"released": {"arch": "a"}}
    with pytest.raises(UserError, match=r"backbone_padding='static' \(needed 'same'\)"):
        HyperSeg.from_preset("hyperseg_tiny", weights=path, backbone_padding="same")


def test_sources_that_do_not_fit_are_refused(tmp_path):
    HyperSeg.from_preset("hyperseg_tiny").save(tmp_path / "model.keras")
    (tmp_path / "weights.bin").write_bytes(b"")
    tiny = presets.get("hyperseg_tiny")
    for source, classes, rule in (
        (tmp_path / "missing.h5", 11, "missing.h5 does not exist"),
        (tmp_path / "weights.bin", 11, "a .h5, a .keras or a .pth file"),
        (tmp_path / "model.keras", 5, r"num_classes=11 \(needed 5\)"),
    ):
        with pytest.raises(UserError, match=rule):
            HyperSeg.from_preset(tiny, weights=source, num_classes=classes)


def test_a_released_state_that_does_not_fit_is_refused():
    model = HyperSeg.from_preset("hyperseg_tiny")
    entries = {
        e.name: np.zeros(e.released_shape, "float32") for e in released.entries(model)
    }
    released.assign(model, {**entries, "decoder.coord64_64": np.zeros(3)})
    short = dict(entries)
    short.pop("backbone._conv_stem.weight")
    with pytest.raises(ValueError, match="1 entries missing .*_conv_stem"):
        released.assign(model, short)
    with pytest.raises(ValueError, match="1 surplus .*extra"):
        released.assign(model, {**entries, "extra": np.zeros(1)})
    wrong = {**entries, "backbone._bn0.bias": np.zeros(3, "float32")}
    with pytest.raises(ValueError, match=r"_bn0.bias must have shape \(16,\)"):
        released.assign(model, wrong)


def test_released_layouts_go_back_and_forth():
    state = state_dict("camvid_hyperseg_s")
    model = HyperSeg.from_preset("hyperseg_s_camvid")
    names = set()
    for entry in released.entries(model):
        assert state[entry.name].shape == entry.released_shape
        assert entry.to_keras(state[entry.name]).shape == tuple(entry.variable.shape)
        names.add(entry.name)
    left = {n for n in state if n not in names}
    assert all(name.endswith("num_batches_tracked") for name in left)
