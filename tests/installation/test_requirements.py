from importlib import metadata

import pytest

from hyperseg_tf.installation import requirements

LINES = [
    "here>=2",
    'never; python_version < "3"',
    'here>=1; extra == "one"',
    'gone>=1; extra == "two"',
    'old<2,>=1; extra == "two"',
    'old>=1; extra == "three"',
]
VERSIONS = {"here": "2.1+cpu", "old": "2.0rc1", "keras": "3.15.1"}


@pytest.fixture
def installed(monkeypatch):
    """Requirements and packages of the test's own; change `LINES` by its argument."""

    def version(name):
        if name not in VERSIONS:
            raise metadata.PackageNotFoundError(name)
        return VERSIONS[name]

    class Metadata:
        @staticmethod
        def get_all(key):
            assert key == "Provides-Extra"
            return ["one", "two", "three"]

    def use(lines):
        monkeypatch.setattr(metadata, "version", version)
        monkeypatch.setattr(metadata, "requires", lambda name: lines)
        monkeypatch.setattr(metadata, "metadata", lambda name: Metadata)

    return use


def test_an_extra_is_present_or_says_what_is_missing_and_the_line(installed):
    installed(LINES)
    assert [(found.topic, found.says) for found in requirements.extras()] == [
        ("[one]", "present"),
        (
            "[two]",
            "gone is missing; old<2,>=1 is wanted, 2.0rc1 is here: "
            "pip install 'hyperseg_tf[two]'",
        ),
        ("[three]", "present"),
    ]


def test_a_whole_core_is_its_versions(installed):
    installed(LINES)
    (found,) = requirements.core()
    assert (found.topic, found.says, found.fatal) == ("packages", "keras 3.15.1", False)


def test_what_the_core_lacks_is_fatal(installed):
    installed(["here>=3", "gone", 'gone2; extra == "one"'])
    _, found = requirements.core()
    assert found.fatal and "pip install" in found.advice
    assert found.says == "here>=3 is wanted, 2.1+cpu is here; gone is missing"


def test_a_folder_that_is_not_installed_says_so(installed, monkeypatch):
    installed(LINES)

    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", missing)
    monkeypatch.setattr(metadata, "metadata", missing)
    _, found = requirements.core()
    assert "--editable" in found.advice and not found.fatal
    assert requirements.extras() == []
