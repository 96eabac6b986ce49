"""Initial weights of a model, by the word or the file a user names."""

import logging
from pathlib import Path

import keras
import numpy as np

from hyperseg_tf.errors import UserError

_log = logging.getLogger("hyperseg_tf")


def load_weights(model, source: str | Path) -> str:
    """Set a model's weights from a named source and log which it was.

    Args:
        model: An unfolded `HyperSeg`.
        source: "imagenet" to download the backbone's ImageNet weights (the rest stays
            as it is); the path of a keras.applications `.h5` file, the same offline; or
            the path of a `.keras` file of this library or a released `.pth` checkpoint,
            which set everything.

    Returns:
        A sentence that names the source.

    Raises:
        UserError: If the source cannot be read or does not fit; nothing is set then.
    """
    path = Path(source)
    if source != "imagenet" and not path.is_file():
        raise UserError(
            "weights must be 'imagenet', a keras.applications .h5, a .keras or a .pth "
            f"file: {path} does not exist."
        )
    if path.suffix == ".keras":
        said = _load_keras(model, path)
    elif source == "imagenet" or path.suffix == ".h5":
        said = _load_imagenet(model, source)
    elif path.suffix == ".pth":
        from hyperseg_tf.convert.pth import load_pth

        load_pth(model, path)
        said = f"weights: all from {path}"
    else:
        raise UserError(
            f"weights must be 'imagenet', a .h5, a .keras or a .pth file: got {path}."
        )
    _log.info(said)
    return said


def _load_keras(model, path):
    from hyperseg_tf.model import load

    other = load(path)
    if other.preset != model.preset or other.folded != model.folded:
        differing = [
            f"{key}={value!r} (needed {model.preset.to_dict()[key]!r})"
            for key, value in other.preset.to_dict().items()
            if value != model.preset.to_dict()[key]
        ]
        raise UserError(
            f"{path} holds another architecture: {', '.join(differing) or 'folded'}; "
            "build the model from its preset and class count."
        )
    model.set_weights(other.get_weights())
    return f"weights: all from {path}"


def _load_imagenet(model, source):
    variant = model.preset.backbone.removeprefix("efficientnet-").upper()
    build = getattr(keras.applications, f"EfficientNet{variant}", None)
    if build is None:
        raise UserError(
            f"there are no ImageNet weights for {model.preset.backbone}; "
            "use weights=None or a .keras file."
        )
    try:
        reference = _reference(build, source)
    except Exception as error:
        reason = (
            str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        )
        raise UserError(
            f"ImageNet weights for EfficientNet{variant} could not be loaded from "
            f"{source}: {reason}; name a local keras.applications .h5 file, or train "
            "from random values with weights=None."
        ) from error
    backbone = model.get_layer("backbone")
    values = {}
    for layer in backbone.layers:
        if not layer.weights or layer.name.startswith("reduce"):
            continue
        new = reference.get_layer(layer.name).get_weights()
        old = [tuple(v.shape) for v in layer.weights]
        if [v.shape for v in new] != old:
            raise UserError(
                f"{source} does not fit {model.preset.backbone}: layer {layer.name} "
                f"needs {old}, the file has {[v.shape for v in new]}."
            )
        values[layer.name] = [np.asarray(v) for v in new]
    for name, value in values.items():
        backbone.get_layer(name).set_weights(value)
    return f"weights: ImageNet for the backbone ({source}), the rest random"


def _reference(build, source):
    """The keras.applications model that holds the file's weights."""
    if source == "imagenet":
        return build(weights="imagenet", include_top=False)
    try:
        return build(weights=str(source), include_top=False)
    except ValueError:
        return build(weights=str(source), include_top=True)
