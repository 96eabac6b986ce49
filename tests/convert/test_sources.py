import numpy as np
import pytest

from hyperseg_tf import HyperSeg, UserError, presets
from hyperseg_tf.convert.metadata import after_training
from hyperseg_tf.convert.sources import load_fitting
from hyperseg_tf.network.layout import decoder_layout


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    model = HyperSeg.from_preset("hyperseg_tiny")
    path = tmp_path_factory.mktemp("tiny") / "model.keras"
    model.save(path)
    return model, path


@pytest.mark.slow
def test_a_model_file_sets_everything(tiny):
    saved, path = tiny
    model = HyperSeg.from_preset("hyperseg_tiny", weights=path)
    for found, want in zip(model.get_weights(), saved.get_weights(), strict=True):
        np.testing.assert_array_equal(found, want)


@pytest.mark.slow
def test_the_backbone_pads_as_the_file_was_made_for(tmp_path):
    saved = HyperSeg.from_preset("hyperseg_tiny", backbone_padding="static")
    saved.set_metadata(
        {"released": {"arch": "a", "epoch": 3}, "classes": [*"abcdefghijk"]}
    )
    path = tmp_path / "model.keras"
    saved.save(path)
    model = HyperSeg.from_preset("hyperseg_tiny", weights=path)
    assert model.preset == saved.preset
    assert model.metadata == {"released": {"arch": "a", "epoch": 3}}
    assert after_training(model.metadata) == {"released": {"arch": "a"}}
    with pytest.raises(UserError, match=r"backbone_padding='static' \(needed 'same'\)"):
        HyperSeg.from_preset("hyperseg_tiny", weights=path, backbone_padding="same")


@pytest.mark.slow
def test_the_folder_of_a_run_means_its_best_model(tiny):
    saved, path = tiny
    model = HyperSeg.from_preset("hyperseg_tiny", weights=path.parent)
    np.testing.assert_array_equal(model.get_weights()[5], saved.get_weights()[5])


@pytest.mark.slow
def test_what_does_not_depend_on_the_classes_is_taken_from_a_model_for_others(tiny):
    saved, path = tiny
    model = HyperSeg.from_preset("hyperseg_tiny", num_classes=4)
    before = {weight.path: weight.numpy() for weight in model.weights}
    said = load_fitting(model, path)
    heads, same = decoder_layout(saved.preset)[1], decoder_layout(model.preset)[1]
    moved = [a.offset != b.offset or a != b for a, b in zip(heads, same, strict=True)]
    assert any(moved) and "trained for 11 classes; new for 4" in said
    for weight, source in zip(model.weights, saved.weights, strict=True):
        number = weight.path.removeprefix("weights_").partition("/")[0]
        stays = weight.shape != source.shape or (
            number.isdigit() and moved[int(number)]
        )
        want = before[weight.path] if stays else source
        np.testing.assert_array_equal(weight, want)
        assert (f"{weight.path}" in said) == stays


@pytest.mark.slow
def test_sources_that_do_not_fit_are_refused(tiny, tmp_path):
    (tmp_path / "weights.bin").write_bytes(b"")
    preset = presets.get("hyperseg_tiny")
    for source, classes, rule in (
        (tmp_path / "missing.h5", 11, "missing.h5 does not exist"),
        (
            tmp_path / "weights.bin",
            11,
            "a keras.applications .h5, a .keras or a .pth file: .* is none",
        ),
        (tiny[1], 5, r"num_classes=11 \(needed 5\)"),
    ):
        with pytest.raises(UserError, match=rule):
            HyperSeg.from_preset(preset, weights=source, num_classes=classes)
