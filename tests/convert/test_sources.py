import numpy as np
import pytest

from hyperseg_tf import HyperSeg, UserError, presets
from hyperseg_tf.convert.metadata import after_training


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
