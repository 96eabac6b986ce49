"""Every module has a room and every room a place in the order of imports."""

import configparser
from pathlib import Path

ROOT = Path(__file__).parents[1]
FACADE = {"__init__.py", "__main__.py"}


def _rooms():
    return {path.parent.name for path in (ROOT / "hyperseg_tf").glob("*/__init__.py")}


def _layers():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    text = config["importlinter:contract:order"]["layers"]
    return {
        name.strip() for name in text.replace("|", "\n").split("\n") if name.strip()
    }


def test_every_room_has_a_place_in_the_order():
    wanted = {f"hyperseg_tf.{room}" for room in _rooms()}
    assert _layers() == wanted


def test_no_module_lies_outside_a_room():
    assert {path.name for path in (ROOT / "hyperseg_tf").glob("*.py")} == FACADE


def test_tests_mirror_the_rooms():
    for folder in (ROOT / "tests").iterdir():
        if folder.is_dir() and any(folder.glob("test_*.py")):
            room = ROOT / "hyperseg_tf" / folder.name
            # What is hostile tries every room.
            known = room.is_dir() or (ROOT / folder.name).is_dir()
            assert known or folder.name == "hostile", folder.name
    for room in _rooms():
        assert any((ROOT / "tests" / room).glob("test_*.py")), room
