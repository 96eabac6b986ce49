import logging

import h5py
import keras
import numpy as np
import pytest

from hyperseg_tf import HyperSeg, UserError, presets
from hyperseg_tf.convert import load_weights, released
from tests.golden import state_dict


@pytest.fixture(scope="module")
def reference():
    keras.utils.set_random_seed(1)
    return keras.applications.EfficientNetB0(weights=None, include_top=False)


@pytest.fixture(scope="module")
def imagenet_file(reference, tmp_path_factory):
    """A file in the format that keras.applications publishes, with random values."""
    from keras.src.legacy.saving import legacy_h5_format

    path = tmp_path_factory.mktemp("weights") / "efficientnetb0_notop.h5"
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, reference)
    return path


def _model(backbone="efficientnet-b0", **changes):
    return HyperSeg.from_preset("hyperseg_tiny", backbone=backbone, **changes)


def test_an_imagenet_file_sets_the_backbone_and_the_log_says_so(
    reference, imagenet_file, caplog
):
    model = _model()
    before = np.asarray(model.get_layer("weights_0").kernel)
    with caplog.at_level(logging.INFO, logger="hyperseg_tf"):
        load_weights(model, imagenet_file)
    backbone = model.get_layer("backbone")
    for name in ("stem_conv", "block4b_se_expand", "block7a_project_bn", "top_bn"):
        ours = backbone.get_layer(name).get_weights()
        for found, want in zip(
            ours, reference.get_layer(name).get_weights(), strict=True
        ):
            np.testing.assert_array_equal(found, want)
    np.testing.assert_array_equal(model.get_layer("weights_0").kernel, before)
    assert f"ImageNet for the backbone ({imagenet_file})" in caplog.text


def test_the_backbone_computes_what_keras_applications_does(reference, imagenet_file):
    model = _model(weights=imagenet_file)
    images = np.random.default_rng(0).uniform(0, 255, (1, 64, 96, 3)).astype("float32")
    # keras.applications normalises inside: rescaling, then its own statistics.
    inside = keras.Model(
        reference.input, [reference.get_layer("normalization").output, reference.output]
    )
    normalised, want = inside(images)
    # The reduced features differ by design, the head does not.
    found = model.get_layer("backbone")(normalised)[-1]
    np.testing.assert_allclose(found, want, rtol=1e-3, atol=1e-5)


def test_a_file_of_another_variant_is_refused_and_nothing_is_set(imagenet_file):
    model = _model("efficientnet-b1")
    before = [w.copy() for w in model.get_weights()]
    with pytest.raises(UserError, match="could not be loaded"):
        load_weights(model, imagenet_file)
    for found, want in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(found, want)


def test_a_model_file_sets_everything(tmp_path):
    saved = HyperSeg.from_preset("hyperseg_tiny")
    saved.save(tmp_path / "model.keras")
    model = HyperSeg.from_preset("hyperseg_tiny", weights=tmp_path / "model.keras")
    for found, want in zip(model.get_weights(), saved.get_weights(), strict=True):
        np.testing.assert_array_equal(found, want)


def test_sources_that_do_not_fit_are_refused(tmp_path):
    HyperSeg.from_preset("hyperseg_tiny").save(tmp_path / "model.keras")
    (tmp_path / "weights.bin").write_bytes(b"")
    tiny = presets.get("hyperseg_tiny")
    for source, classes, rule in (
        (tmp_path / "missing.h5", 11, "missing.h5 does not exist"),
        (tmp_path / "weights.bin", 11, "a .h5, a .keras or a .pth file"),
        (tmp_path / "model.keras", 5, r"num_classes=11 \(needed 5\)"),
        ("imagenet", 11, "no ImageNet weights for efficientnet-tiny"),
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
