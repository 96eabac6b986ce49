import hashlib
import logging

import h5py
import keras
import numpy as np
import pytest
import torch
from efficientnet_pytorch import EfficientNet

from hyperseg_tf import HyperSeg, UserError, presets
from hyperseg_tf.base.constants import IMAGENET_MEAN, IMAGENET_STD
from hyperseg_tf.convert import imagenet, load_weights
from tests.calibrated import norms
from tests.layouts import nchw, nhwc


def _spread(model):
    """Running statistics and biases unlike the initial ones."""
    rng = np.random.default_rng(1)
    for norm in norms(model):
        shape = norm.gamma.shape
        norm.gamma.assign(rng.uniform(0.5, 1.0, shape))
        norm.beta.assign(rng.normal(size=shape) * 0.1)
        norm.moving_mean.assign(rng.normal(size=shape) * 0.1)
        norm.moving_variance.assign(rng.uniform(0.5, 2.0, shape))
    for layer in model.layers:
        if getattr(layer, "use_bias", False):
            layer.bias.assign(rng.normal(size=layer.bias.shape) * 0.1)


def _write_h5(model, path):
    """A file in the format that keras.applications publishes."""
    from keras.src.legacy.saving import legacy_h5_format

    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    return path


@pytest.fixture(scope="module")
def efficientnet():
    keras.utils.set_random_seed(1)
    model = keras.applications.EfficientNetB0(weights=None, include_top=False)
    _spread(model)
    return model


@pytest.fixture(scope="module")
def efficientnet_file(efficientnet, tmp_path_factory):
    return _write_h5(efficientnet, tmp_path_factory.mktemp("b0") / "b0_notop.h5")


@pytest.fixture(scope="module")
def resnet50():
    keras.utils.set_random_seed(1)
    model = keras.applications.ResNet50(weights=None, include_top=False)
    _spread(model)
    return model


@pytest.fixture(scope="module")
def resnet50_file(resnet50, tmp_path_factory):
    return _write_h5(resnet50, tmp_path_factory.mktemp("resnet50") / "resnet50.h5")


def _model(backbone="efficientnet-b0", **changes):
    return HyperSeg.from_preset("hyperseg_tiny", backbone=backbone, **changes)


def _unchanged(model, before):
    for found, want in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(found, want)


@pytest.mark.slow
def test_a_file_sets_the_backbone_alone_and_the_log_says_so(
    efficientnet, efficientnet_file, caplog
):
    model = _model()
    before = np.asarray(model.get_layer("weights_0").kernel)
    with caplog.at_level(logging.INFO, logger="hyperseg_tf"):
        load_weights(model, efficientnet_file)
    backbone = model.get_layer("backbone")
    for name in ("stem_conv", "block4b_se_expand", "block7a_project_bn", "top_bn"):
        ours = backbone.get_layer(name).get_weights()
        for found, want in zip(
            ours, efficientnet.get_layer(name).get_weights(), strict=True
        ):
            np.testing.assert_array_equal(found, want)
    np.testing.assert_array_equal(model.get_layer("weights_0").kernel, before)
    said = f"ImageNet for the backbone efficientnet-b0 ({efficientnet_file})"
    assert said in caplog.text


@pytest.mark.slow
def test_efficientnet_computes_what_keras_applications_does(
    efficientnet, efficientnet_file
):
    model = _model(weights=efficientnet_file)
    images = np.random.default_rng(0).uniform(0, 255, (1, 64, 96, 3)).astype("float32")
    # keras.applications normalises inside: rescaling, then its own statistics.
    inside = keras.Model(
        efficientnet.input,
        [efficientnet.get_layer("normalization").output, efficientnet.output],
    )
    normalised, want = inside(images)
    # The reduced features differ by design, the head does not.
    found = model.get_layer("backbone")(normalised)[-1]
    np.testing.assert_allclose(found, want, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["resnet50", "pspnet50"])
def test_resnet50_computes_what_keras_applications_does(
    resnet50, resnet50_file, backbone
):
    model = _model(backbone, reductions=(1.0,) * 5, weights=resnet50_file)
    images = np.random.default_rng(0).uniform(0, 255, (1, 128, 160, 3))
    normalised = (images / 255 - IMAGENET_MEAN) / IMAGENET_STD
    *found, _ = model.get_layer("backbone")(normalised.astype("float32"))
    last = ("conv2_block3", "conv3_block4", "conv4_block6", "conv5_block3")
    names = ["conv1_relu", *(f"{block}_out" for block in last)]
    reference = keras.Model(
        resnet50.input, [resnet50.get_layer(name).output for name in names]
    )
    outputs = reference(keras.applications.resnet50.preprocess_input(images.copy()))
    for ours, want in zip(found, outputs, strict=True):
        ours, want = np.asarray(ours), np.asarray(want)
        scale = np.abs(want).max()
        # The border is padded with a grey that differs by less than half a level.
        assert np.abs(ours - want).max() <= 5e-3 * scale
        if want.shape[1] > 8:
            inside = (ours - want)[:, 4:-4, 4:-4]
            assert np.abs(inside).max() <= 1e-4 * scale


class _BasicBlock(torch.nn.Module):
    def __init__(self, channels, width, stride):
        super().__init__()
        conv = torch.nn.Conv2d
        self.conv1 = conv(channels, width, 3, stride, 1, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(width)
        self.conv2 = conv(width, width, 3, 1, 1, bias=False)
        self.bn2 = torch.nn.BatchNorm2d(width)
        self.downsample = None
        if stride > 1:
            self.downsample = torch.nn.Sequential(
                conv(channels, width, 1, stride, bias=False),
                torch.nn.BatchNorm2d(width),
            )

    def forward(self, x):
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        return (y + (self.downsample(x) if self.downsample else x)).relu()


class _ResNet18(torch.nn.Module):
    """ResNet18 with the names of torchvision's state dict."""

    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(64)
        channels = 64
        for stage, width in enumerate((64, 128, 256, 512)):
            blocks = [
                _BasicBlock(channels, width, 1 if stage == 0 else 2),
                _BasicBlock(width, width, 1),
            ]
            setattr(self, f"layer{stage + 1}", torch.nn.Sequential(*blocks))
            channels = width
        self.fc = torch.nn.Linear(512, 1000)

    def forward(self, x):
        maps = [self.bn1(self.conv1(x)).relu()]
        x = torch.nn.functional.max_pool2d(maps[0], 3, 2, 1)
        for stage in range(4):
            x = getattr(self, f"layer{stage + 1}")(x)
            maps.append(x)
        return maps


def _torch_file(net, path):
    generator = torch.Generator().manual_seed(0)
    for name, value in net.state_dict().items():
        if name.endswith(("running_mean", "bias")):
            value.copy_(0.1 * torch.randn(value.shape, generator=generator))
        elif name.endswith("running_var"):
            value.copy_(0.5 + torch.rand(value.shape, generator=generator))
    torch.save(net.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def resnet18_file(tmp_path_factory):
    torch.manual_seed(0)
    return _torch_file(_ResNet18(), tmp_path_factory.mktemp("r18") / "resnet18.pth")


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["resnet18", "pspnet18"])
def test_resnet18_computes_what_torchvision_does(resnet18_file, backbone):
    model = _model(backbone, reductions=(1.0,) * 5, weights=resnet18_file)
    net = _ResNet18().eval()
    net.load_state_dict(torch.load(resnet18_file, weights_only=True))
    images = np.random.default_rng(0).normal(size=(2, 64, 96, 3)).astype("float32")
    *found, _ = model.get_layer("backbone")(images)
    with torch.no_grad():
        outputs = net(torch.from_numpy(nchw(images).copy()))
    for ours, want in zip(found, outputs, strict=True):
        want = nhwc(want.numpy())
        assert np.abs(ours - want).max() <= 1e-5 * np.abs(want).max()


@pytest.mark.slow
def test_efficientnet_pytorch_files_load_too(tmp_path):
    torch.manual_seed(0)
    net = EfficientNet.from_name("efficientnet-b0").eval()
    path = _torch_file(net, tmp_path / "efficientnet-b0.pth")
    model = _model(weights=path)
    assert model.preset.backbone_padding == "static"
    images = np.random.default_rng(0).normal(size=(1, 64, 96, 3)).astype("float32")
    found = np.asarray(model.get_layer("backbone")(images)[-1])
    with torch.no_grad():
        want = nhwc(net.extract_features(torch.from_numpy(nchw(images).copy())).numpy())
    # The package pads for its nominal image size, as the released HyperSeg does.
    assert np.abs(found - want).max() <= 1e-4 * np.abs(want).max()


@pytest.mark.slow
def test_files_of_other_networks_are_refused_by_name_or_shape(
    efficientnet, efficientnet_file, resnet50_file, resnet18_file, tmp_path
):
    broken = tmp_path / "broken.h5"
    broken.write_bytes(b"no hdf5")
    wide = tmp_path / "wide.h5"
    with h5py.File(efficientnet_file, "r") as old, h5py.File(wide, "w") as new:
        for key in old:
            old.copy(key, new)
        new.attrs.update(old.attrs)
        name = old["stem_conv"].attrs["weight_names"][0]
        del new["stem_conv"][name]
        new["stem_conv"][name] = np.zeros((3, 3, 3, 40), "float32")
    state = torch.load(resnet18_file, weights_only=True)
    state["layer1.0.conv1.weight"] = torch.zeros(64, 64, 1, 1)
    torch.save(state, tmp_path / "odd.pth")
    for backbone, source, rule in (
        ("efficientnet-b1", efficientnet_file, r"layers missing \['block1b"),
        ("efficientnet-b0", resnet50_file, "layers missing .* surplus"),
        ("efficientnet-b0", wide, r"layer stem_conv needs {'kernel': \(3, 3, 3, 32\)}"),
        ("efficientnet-b0", broken, "must be a .h5 file of keras.applications"),
        ("efficientnet-tiny", efficientnet_file, "no ImageNet weights for effic"),
        ("resnet18", efficientnet_file, "takes the .pth file of torchvision"),
        ("resnet50", resnet18_file, "takes the .h5 file of keras.applications"),
        ("resnet18", tmp_path / "odd.pth", "layer1.0.conv1.weight must have shape"),
        ("efficientnet-b0", resnet18_file, "entries missing"),
    ):
        model = _model(backbone)
        before = [w.copy() for w in model.get_weights()]
        with pytest.raises(UserError, match=rule) as caught:
            load_weights(model, source)
        assert "\n" not in str(caught.value)
        _unchanged(model, before)


def test_no_download_for_what_nobody_published():
    with pytest.raises(UserError, match="no ImageNet weights for efficientnet-tiny"):
        HyperSeg.from_preset("hyperseg_tiny", weights="imagenet")


@pytest.mark.slow
def test_a_download_of_torchvision_is_checked_before_it_is_used(
    resnet18_file, monkeypatch
):
    """`get_file` is replaced: there need be no network to test what follows it."""
    asked = []

    def get_file(name, origin, cache_subdir):
        asked.append((name, origin))
        return str(resnet18_file)

    monkeypatch.setattr(keras.utils, "get_file", get_file)
    preset = presets.get("hyperseg_tiny")
    with pytest.raises(
        UserError, match="must have a SHA-256 that begins with f37072fd"
    ):
        HyperSeg.from_preset(preset, backbone="resnet18", weights="imagenet")
    assert asked[0][1].startswith("https://download.pytorch.org/models/resnet18-")
    digest = hashlib.sha256(resnet18_file.read_bytes()).hexdigest()[:8]
    monkeypatch.setattr(imagenet, "_TORCHVISION", f"https://x/resnet18-{digest}.pth")
    model = HyperSeg.from_preset(preset, backbone="resnet18", weights="imagenet")
    state = torch.load(resnet18_file, weights_only=True)
    kernel = model.get_layer("backbone").get_layer("conv1_conv").kernel
    np.testing.assert_array_equal(
        kernel, state["conv1.weight"].numpy().transpose(2, 3, 1, 0)
    )


def test_a_failing_download_is_one_line_with_the_way_out(monkeypatch):
    def get_file(*args, **kwargs):
        raise OSError("no route\nto host")

    monkeypatch.setattr(keras.utils, "get_file", get_file)
    with pytest.raises(UserError, match="no route; name a local file") as caught:
        _model("resnet18", weights="imagenet")
    assert "\n" not in str(caught.value)
