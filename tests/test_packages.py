"""What is installed, under which names, and what it needs."""

import ast
import configparser
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# In the repository they lie beside hyperseg_tf, with a link in it.
BESIDE = ("pipelines", "recipes")
# Needed by what TensorFlow does for us, not by a line of ours: the reason.
UNSEEN = {"tensorboard": "tf.summary is in it"}
MODULE_OF = {"pillow": "PIL"}


def _options():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    return config["options"]


def _lines(text):
    return [line.partition("#")[0].strip() for line in text.strip().splitlines()]


def _modules():
    """Every file of ours and the name that it is imported by."""
    for top in ("hyperseg_tf", *BESIDE):
        for path in (ROOT / top).rglob("*.py"):
            yield path, path.relative_to(ROOT).with_suffix("").parts


def test_every_package_is_installed():
    found = {
        ".".join(
            parts[:-1] if parts[0] == "hyperseg_tf" else ("hyperseg_tf", *parts[:-1])
        )
        for _, parts in _modules()
        if parts[-1] == "__init__"
    }
    assert set(_lines(_options()["packages"])) == found


def test_folders_and_links_say_the_same():
    placed = dict(re.split(" *= *", line) for line in _lines(_options()["package_dir"]))
    assert placed == {
        "hyperseg_tf": "hyperseg_tf",
        **{f"hyperseg_tf.{name}": name for name in BESIDE},
    }
    for name in BESIDE:
        assert (ROOT / "hyperseg_tf" / name).samefile(ROOT / name)


@pytest.mark.parametrize("name", BESIDE)
def test_a_part_has_one_name(name):
    """Under a second one, `isinstance` would not know its classes."""
    spec = importlib.util.spec_from_file_location(name, ROOT / name / "__init__.py")
    with pytest.raises(ImportError, match=f"write `from hyperseg_tf import {name}`"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


def test_folders_of_the_user_are_left_alone(tmp_path):
    for name in BESIDE:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("mine = True\n")
    code = (
        "import pipelines, recipes, hyperseg_tf.recipes as ours; "
        "print(pipelines.mine, recipes.mine, len(ours.names()) > 3)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["True"] * 3, done.stderr


def _top_names(statements):
    for statement in statements:
        if isinstance(statement, ast.Import):
            yield from (name.name.partition(".")[0] for name in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            yield statement.module.partition(".")[0]


def _required():
    names = re.findall(r"(?m)^\s*([A-Za-z0-9_.-]+) ", _options()["install_requires"])
    return {MODULE_OF.get(name, name) for name in names}


def test_what_modules_import_is_required():
    allowed = {"hyperseg_tf", *_required(), *sys.stdlib_module_names}
    for path, parts in _modules():
        text = path.read_text("utf-8")
        # Programs of processes of their own, where an extra is.
        if parts[:3] == ("hyperseg_tf", "export", "runtimes"):
            continue
        if not set(re.findall(r"(?m)^(?:import|from) (\w+)", text)) <= allowed:
            # Perhaps in a string.
            assert set(_top_names(ast.parse(text).body)) <= allowed, path


def test_nothing_is_required_that_no_module_imports():
    text = "".join(path.read_text("utf-8") for path, _ in _modules())
    used = set(re.findall(r"(?m)^\s*(?:import|from) (\w+)", text))
    assert _required() - used == set(UNSEEN)
