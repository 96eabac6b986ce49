"""What is published, built from a copy of the checkout and installed outside it.

The environment has the core requirements of the wheel and what they require, linked
from the one that runs the tests, so nothing is downloaded, and nothing else.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest

import hyperseg_tf

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
BESIDE = ("pipelines", "recipes")
PARTS = (
    *("hyperseg_tf", *BESIDE),
    *("setup.cfg", "pyproject.toml", "README.md", "LICENSE"),
)
BUILD = "import sys; from setuptools import build_meta as b; b.build_{}(sys.argv[1])"


def _run(command, **options):
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def _build(kind, source, to):
    to.mkdir()
    _run([sys.executable, "-c", BUILD.format(kind), to], cwd=source)
    return next(path for path in to.iterdir() if path.is_file())


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of the checkout, where building leaves its traces."""
    source = tmp_path_factory.mktemp("source")
    for name in PARTS:
        if (ROOT / name).is_dir():
            made = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=made)
        else:
            shutil.copy(ROOT / name, source)
    return source


@pytest.fixture(scope="module")
def sdist(source, tmp_path_factory):
    return _build("sdist", source, tmp_path_factory.mktemp("sdist") / "dist")


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory):
    """Of the sdist, which has no links: what is missing there is missing here."""
    folder = tmp_path_factory.mktemp("wheel")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (unpacked,) = folder.iterdir()
    return _build("wheel", unpacked, folder / "dist")


def _core(name, seen):
    """A requirement and all of its own, by the markers of this machine."""
    from packaging.requirements import Requirement

    if name.lower() in seen:
        return
    found = distribution(name)
    seen[name.lower()] = found
    for line in found.requires or ():
        wanted = Requirement(line)
        if not wanted.marker or wanted.marker.evaluate({"extra": ""}):
            _core(wanted.name, seen)


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """The folder of a fresh environment with the wheel."""
    from packaging.requirements import Requirement

    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    pip = [sys.executable, "-m", "pip", "--python", folder / "bin" / "python"]
    options = ["--no-index", "--no-deps", "--no-compile", "--quiet"]
    _run([*pip, "install", *options, wheel])
    found = {}
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith("dist-info/METADATA"))
        metadata = archive.read(name).decode()
    for line in re.findall(r"(?m)^Requires-Dist: (.*)", metadata):
        wanted = Requirement(line)
        if not wanted.marker or wanted.marker.evaluate({"extra": ""}):
            _core(wanted.name, found)
    for package in found.values():
        for top in {file.parts[0] for file in package.files}:
            if top not in ("..", "__pycache__") and not (site / top).exists():
                (site / top).symlink_to(package.locate_file(top))
    return folder


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """A working folder with folders that are named as ours."""
    folder = tmp_path_factory.mktemp("elsewhere")
    for name in BESIDE:
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("raise SystemExit('not ours')\n")
    return folder


@pytest.fixture(scope="module")
def command(environment, elsewhere):
    """Runs `hyperseg-tf` there."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "CXX")}

    def run(*words, **changes):
        program = environment / "bin" / "hyperseg-tf"
        return _run([program, *words], cwd=elsewhere, env={**kept, **changes})

    return run


def test_the_archives_have_the_sources_and_nothing_else(source, sdist, wheel):
    with zipfile.ZipFile(wheel) as archive:
        files = {name for name in archive.namelist() if ".dist-info/" not in name}
    tops = {name.split("/")[0] for name in files}
    assert tops == {"hyperseg_tf"}
    wanted = set()
    for folder, prefix in (("hyperseg_tf", ""), *((n, "hyperseg_tf/") for n in BESIDE)):
        found = (source / folder).rglob("*.py")
        wanted |= {prefix + path.relative_to(source).as_posix() for path in found}
    assert {name for name in files if name.endswith(".py")} == wanted
    others = {name for name in files if not name.endswith((".py", ".h", ".cc"))}
    assert others == {"hyperseg_tf/py.typed"}
    assert "hyperseg_tf/ops/kernels/tensorflow/all.cc" in files
    assert not [name for name in files if "/fuzz/" in name]
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"recipes/__init__.py", "README.md", "LICENSE", "setup.cfg"} <= names


def test_the_page_of_the_package_is_the_readme(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith("dist-info/METADATA"))
        text = archive.read(name).decode()
    head, _, page = text.partition("\n\n")
    assert page.strip() == (ROOT / "README.md").read_text("utf-8").strip()
    for line in (
        "Author: The hyperseg_tf developers",
        "Description-Content-Type: text/markdown",
        "Classifier: Programming Language :: Python :: 3.13",
        "License: Apache-2.0",
    ):
        assert f"\n{line}\n" in head


def test_it_knows_its_version_and_its_recipes(command):
    assert command("--version").stdout == f"hyperseg-tf {hyperseg_tf.__version__}\n"
    lines = command("recipes").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["demo", "own_folder"]


@pytest.fixture(scope="module")
def trained(command, elsewhere):
    """A model that the installed command has trained, on scenes that it has drawn."""
    command("data", "scenes", "data", "--train", "4", "--val", "2", "--size", "64x96")
    small = ("--epochs", "1", "--batch-size", "2", "--set", "samples_per_epoch=4")
    crop = (
        *("--set", "train.RandomCrop.height=64"),
        *("--set", "train.RandomCrop.width=96"),
    )
    command("train", "demo", "--data", "data", "--out", "run", *small, *crop)
    return elsewhere / "run" / "model.keras"


def test_it_finds_its_installation_usable(command):
    text = command("doctor").stdout
    # Of the extras nothing is linked into the environment.
    assert "onnx is missing; " in text and "pip install 'hyperseg_tf[export]'" in text
    assert "ImageNet efficientnet-lite0  missing: pip install" in text


def test_it_trains_and_predicts(command, trained, elsewhere):
    command("predict", trained, "data/val/images", "--out", "out")
    assert len(list((elsewhere / "out" / "classes").iterdir())) == 2


def test_without_a_compiler_it_says_so_once_and_predicts(
    command, trained, environment, elsewhere, tmp_path
):
    """As on a slim image; with a cache of its own, which has no library."""
    bare = {"PATH": str(environment / "bin"), "HYPERSEG_TF_CACHE": str(tmp_path)}
    done = command("predict", trained, "data/val/images", "--out", "bare", **bare)
    assert done.stderr.count("there is no compiler g++") == 1
    assert len(list((elsewhere / "bare" / "classes").iterdir())) == 2
    text = command("doctor", **bare).stdout
    assert "\n- compiler: install g++, or set CXX to one; " in text
