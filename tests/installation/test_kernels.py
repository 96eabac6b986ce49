import pytest

from hyperseg_tf.installation import kernels
from hyperseg_tf.ops import build, cache
from tests.read_only import read_only_folder


@pytest.fixture
def place(monkeypatch, tmp_path):
    """A cache of its own, with nothing in it, and a compiler that says its name."""
    monkeypatch.setenv("HYPERSEG_TF_CACHE", str(tmp_path / "cache"))
    program = tmp_path / "g++"
    program.write_text("#!/bin/sh\necho 'g++ 1.2 of the test'\necho more\n")
    program.chmod(0o755)
    monkeypatch.setenv("CXX", str(program))
    return tmp_path / "cache"


def _by_topic():
    return {finding.topic: finding for finding in kernels.kernels()}


def test_ops_are_not_built_by_looking(place):
    found = _by_topic()
    assert found["compiler"].says.endswith("/g++: g++ 1.2 of the test")
    assert not found["compiler"].advice
    assert (
        f"not built yet, which takes a minute, into {place}" in found["custom ops"].says
    )
    assert "hyperseg_tf.ops.build" in found["custom ops"].advice
    assert not place.exists()


def test_without_a_compiler_it_says_what_to_install(place, monkeypatch):
    monkeypatch.setenv("CXX", "")
    monkeypatch.setenv("PATH", str(place))
    found = _by_topic()
    assert found["compiler"].says == "there is no compiler g++"
    assert found["compiler"].advice.startswith("install g++, or set CXX to one; ")
    assert "no compiler" in found["custom ops"].says
    assert not found["compiler"].fatal and not found["custom ops"].fatal


def test_a_compiler_that_does_not_start_is_none(place, monkeypatch):
    program = place.parent / "broken"
    program.write_text("#!/nowhere/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("CXX", str(program))
    assert "does not start" in _by_topic()["compiler"].says


def test_a_cache_that_cannot_be_written_says_the_way_out(monkeypatch):
    with read_only_folder() as folder:
        monkeypatch.setenv("HYPERSEG_TF_CACHE", str(folder / "cache"))
        found = _by_topic()["custom ops"]
    assert "cannot be written to" in found.says
    assert "HYPERSEG_TF_CACHE" in found.advice


def test_a_file_in_the_place_of_the_cache_is_no_cache(place):
    place.write_text("")
    assert "HYPERSEG_TF_CACHE" in _by_topic()["custom ops"].advice


def test_a_library_that_is_there_is_found_and_loaded(place, monkeypatch):
    loaded = []
    monkeypatch.setattr(cache, "is_there", lambda path: path == cache.library())
    monkeypatch.setattr(kernels.loading, "load", loaded.append)
    assert _by_topic()["custom ops"].says == f"built: {cache.library()}"
    assert loaded == [cache.library()]


def test_a_library_that_cannot_be_used_says_why(place, monkeypatch):
    def refuse():
        raise build.KernelsUnavailable("x.so was written by others; delete it.")

    monkeypatch.setattr(build, "found", refuse)
    found = _by_topic()["custom ops"]
    assert found.says == "x.so was written by others"
    assert found.advice.startswith("delete it; ")
