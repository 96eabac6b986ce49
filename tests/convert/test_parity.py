import numpy as np
import pytest

from hyperseg_tf import HyperSeg, UserError
from hyperseg_tf.convert import parity, pth_to_keras
from tests.convert.checkpoints import MODELS
from tests.golden import golden_dir


@pytest.mark.slow
def test_activations_of_another_model_are_one_error(small, small_file, tmp_path):
    np.savez(tmp_path / "none.npz", x=np.zeros(3))
    np.savez(tmp_path / "flat.npz", **{"a/image": np.zeros((3, 64, 64))})
    np.savez(tmp_path / "object.npz", **{"a/image": np.array([len], object)})
    np.save(tmp_path / "one.npy", np.zeros(3))
    (tmp_path / "text.npz").write_text("no archive")
    for file, rule in (
        ("none.npz", r"has no '<input>/image'"),
        ("flat.npz", r"an image must be \(N, 3, H, W\)"),
        ("object.npz", "must be a readable .npz"),
        ("one.npy", "must be a readable .npz"),
        ("text.npz", "must be a readable .npz"),
        ("missing.npz", "must be a readable .npz"),
    ):
        with pytest.raises(UserError, match=rule) as error:
            parity.compare(small, tmp_path / file)
        assert "\n" not in str(error.value)
    before = sorted(tmp_path.iterdir())
    gold = golden_dir() / "cityscapes_hyperseg_m.npz"
    with pytest.raises(UserError, match="must be of the same architecture: a/"):
        pth_to_keras(
            small_file, tmp_path / "a.keras", small.preset, tmp_path / "a.md", gold
        )
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.slow
def test_activations_fit_one_model_only(tmp_path):
    for name, preset in MODELS.items():
        model = HyperSeg.from_preset(preset, backbone_padding="static")
        for other in MODELS:
            if other != name:
                with pytest.raises(UserError, match="same architecture"):
                    parity.compare(model, golden_dir() / f"{other}.npz")
