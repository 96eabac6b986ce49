import importlib
import importlib.resources
import sys

import pytest

from hyperseg_tf.base.after_import import after_import


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The name of a package that nobody has imported."""
    folder = tmp_path / "seen_never_before"
    folder.mkdir()
    (folder / "__init__.py").write_text("value = 7\n")
    (folder / "text.txt").write_text("inside")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder.name
    sys.modules.pop(folder.name, None)


def test_the_action_comes_once_the_package_is_whole(package):
    seen = []
    before = list(sys.meta_path)
    after_import(package, lambda: seen.append(sys.modules[package].value))
    assert package not in sys.modules and not seen
    importlib.import_module("colorsys")  # another one changes nothing
    assert not seen
    module = importlib.import_module(package)
    assert seen == [7]
    assert sys.meta_path == before
    assert importlib.resources.files(module).joinpath("text.txt").read_text() == (
        "inside"
    )
    importlib.reload(module)
    assert seen == [7]


def test_of_what_is_imported_already_it_comes_at_once():
    seen = []
    after_import("sys", lambda: seen.append(1))
    assert seen == [1]
