"""Models by name from a package of files."""

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

import hyperseg_tf
from hyperseg_tf import HyperSeg, UserError, presets
from hyperseg_tf.base.packaged import PackagedFile
from hyperseg_tf.cli import main
from hyperseg_tf.network import bundled
from hyperseg_tf.network.half_file import save_half
from hyperseg_tf.network.model_file import read_preset
from hyperseg_tf.network.named import open_named
from hyperseg_tf.pipelines import road_scenes

NAME = "tiny-for-tests"
WEIGHTS = Path(__file__).parents[2] / "weights"
CLASSES = (
    *("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car"),
    *("pedestrian", "bicyclist"),
)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A folder with the package, and the model that is in it."""
    keras.utils.set_random_seed(0)
    model = HyperSeg.from_preset("hyperseg_tiny")
    folder = tmp_path_factory.mktemp("site") / "tiny_weights_for_tests"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise SystemExit('nothing of it is run')")
    save_half(model, folder / "tiny.keras")
    return folder


@pytest.fixture
def known(package, monkeypatch):
    digest = hashlib.sha256((package / "tiny.keras").read_bytes()).hexdigest()
    file = PackagedFile(package.name, "1.0", "tiny.keras", digest)
    entry = bundled.Bundled(file, "hyperseg_tiny", 64, "noise")
    monkeypatch.setitem(bundled.MODELS, NAME, entry)
    monkeypatch.syspath_prepend(package.parent)
    monkeypatch.delitem(sys.modules, package.name, raising=False)
    return entry


@pytest.mark.slow
def test_a_name_stands_for_the_file_at_every_door(known, package):
    expected = hyperseg_tf.load(package / "tiny.keras").get_weights()
    by_preset = HyperSeg.from_preset("hyperseg_tiny", weights=NAME)
    for model in (hyperseg_tf.load(NAME), open_named(NAME), by_preset):
        for ours, given in zip(model.get_weights(), expected, strict=True):
            np.testing.assert_array_equal(ours, given)


@pytest.mark.slow
def test_a_file_of_that_name_goes_first(known, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / NAME).write_text("mine")
    with pytest.raises(UserError, match=f"{NAME} is none"):
        hyperseg_tf.load(NAME)


def test_without_the_package_the_error_says_what_to_install(known, monkeypatch):
    missing = replace(known, file=replace(known.file, package="is_not_there"))
    monkeypatch.setitem(bundled.MODELS, NAME, missing)
    with pytest.raises(UserError, match=r"pip install 'hyperseg_tf\[weights\]'"):
        hyperseg_tf.load(NAME)


def test_an_exchanged_file_is_refused(known, package, tmp_path, monkeypatch):
    other = tmp_path / package.name
    shutil.copytree(package, other)
    with (other / "tiny.keras").open("ab") as file:
        file.write(b"0")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match="must have the SHA-256 .*--force-reinstall"):
        hyperseg_tf.load(NAME)


@pytest.mark.slow
def test_pictures_are_shown_as_the_model_knows_them(
    known, tmp_path, monkeypatch, capsys
):
    """At any size, by the command without --out, and by Python: the same classes."""
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (90, 150, 3), dtype=np.uint8)
    Image.fromarray(picture).save(tmp_path / "street.png")
    monkeypatch.chdir(tmp_path)
    assert main(["predict", NAME, "street.png"]) == 0
    out, err = capsys.readouterr()
    assert out.split()[-2] == "predictions/classes/street.png"
    assert "64 pixels at the shorter side" in err
    found = np.asarray(Image.open("predictions/classes/street.png"))
    np.testing.assert_array_equal(hyperseg_tf.predict(NAME, picture), found)
    segmenter = hyperseg_tf.Segmenter(hyperseg_tf.load(NAME), (64, 107))
    np.testing.assert_array_equal(segmenter.class_maps(picture[None])[0], found)
    assert main(["predict", NAME, "street.png", "--size", "90x150"]) == 0
    assert "shorter side" not in capsys.readouterr().err
    own = np.asarray(Image.open("predictions/classes/street.png"))
    segmenter = hyperseg_tf.Segmenter(hyperseg_tf.load(NAME))
    np.testing.assert_array_equal(segmenter.class_maps(picture[None])[0], own)


@pytest.mark.parametrize("name", bundled.MODELS)
def test_a_bundled_file_is_the_known_one_and_small(name):
    entry = bundled.MODELS[name]
    path = WEIGHTS / entry.file.package / entry.file.name
    assert hashlib.sha256(path.read_bytes()).hexdigest() == entry.file.sha256
    assert path.stat().st_size <= 16_000_000
    assert read_preset(path) == replace(presets.get(entry.preset), num_classes=11)


def test_the_package_has_the_version_that_is_asked_for():
    assert f'__version__ = "{bundled.VERSION}"' in (
        WEIGHTS / bundled.PACKAGE / "__init__.py"
    ).read_text("utf-8")
    files = {path.name for path in (WEIGHTS / bundled.PACKAGE).glob("*.keras")}
    assert files == {entry.file.name for entry in bundled.MODELS.values()}


@pytest.mark.slow
@pytest.mark.parametrize("name", bundled.MODELS)
def test_a_bundled_model_tells_a_scene(name, tmp_path):
    """CamVid's classes, nothing of a machine, and the road where it is."""
    model = hyperseg_tf.load(WEIGHTS / bundled.PACKAGE / f"{name}.keras")
    assert model.metadata["classes"] == list(CLASSES)
    text = json.dumps(model.metadata)
    assert "research" in text and "/" not in text.replace("and/or", "")
    road_scenes.write(tmp_path / "scenes", train=1, val=3, size=(360, 480))
    found = []
    for path in sorted((tmp_path / "scenes/val/images").iterdir()):
        image = np.asarray(Image.open(path))
        label = hyperseg_tf.predict(model, image)
        found.append((label[300:, 120:360] == CLASSES.index("road")).mean())
        assert (label[:60] != CLASSES.index("road")).mean() > 0.9
    assert np.mean(found) > 0.3


@pytest.mark.slow
def test_the_wheel_has_the_files(tmp_path):
    shutil.copytree(WEIGHTS, tmp_path / "weights")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", str(tmp_path), "./weights"]
    subprocess.run(command, check=True, cwd=tmp_path, capture_output=True)
    (wheel,) = tmp_path.glob("hyperseg_tf_weights-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        for entry in bundled.MODELS.values():
            data = archive.read(f"{entry.file.package}/{entry.file.name}")
            assert hashlib.sha256(data).hexdigest() == entry.file.sha256
