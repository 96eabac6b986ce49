import subprocess

import pytest

from hyperseg_tf.ops import seal
from hyperseg_tf.ops.compiler import KernelsUnavailable


@pytest.fixture
def library(tmp_path):
    made, place = tmp_path / "made" / "part", tmp_path / "cache" / "ops.so"
    for path in (made, place):
        path.parent.mkdir(0o700)
    made.write_bytes(b"a library")
    made.chmod(0o777)
    seal.put(made, place)
    return place


def test_a_library_comes_back_as_it_was_put(library):
    assert seal.contents(library) == b"a library"


def test_nobody_else_can_write_what_was_put_whatever_the_compiler_left(library):
    modes = {path.stat().st_mode & 0o777 for path in library.parent.iterdir()}
    assert modes == {0o644}


def test_the_digest_is_one_that_sha256sum_checks(library):
    command = ["sha256sum", "-c", "ops.sha256"]
    subprocess.run(command, cwd=library.parent, check=True, capture_output=True)


@pytest.mark.parametrize("content", [b"", b"a librar", b"a library ", b"A library"])
def test_a_library_of_other_bytes_is_damaged(library, content):
    library.write_bytes(content)
    with pytest.raises(seal.Damaged, match="ops.sha256 is of other contents"):
        seal.contents(library)


@pytest.mark.parametrize("content", [b"", b"\xff\n", b"0" * 64, b"x" * 10_000])
def test_a_digest_that_is_none_fits_nothing(library, content):
    seal.of(library).write_bytes(content)
    with pytest.raises(seal.Damaged):
        seal.contents(library)


def test_a_digest_of_another_library_fits_nothing(library):
    other = library.with_name("other.so")
    library.rename(other)
    seal.of(library).rename(seal.of(other))
    with pytest.raises(seal.Damaged):
        seal.contents(other)


def test_a_library_of_an_earlier_version_has_no_digest_and_is_damaged(library):
    seal.of(library).unlink()
    with pytest.raises(seal.Damaged, match="there is no ops.sha256 beside it"):
        seal.contents(library)


def test_a_digest_that_others_can_write_says_nothing(library):
    seal.of(library).chmod(0o666)
    with pytest.raises(KernelsUnavailable, match="chmod go-w .*ops.sha256"):
        seal.contents(library)


@pytest.mark.parametrize("moved", [1, 2])
def test_a_kill_between_the_two_files_leaves_nothing_that_is_believed(
    library, tmp_path, monkeypatch, moved
):
    replace, calls = seal.os.replace, []

    def killed(*names):
        if len(calls) == moved:
            raise KeyboardInterrupt
        calls.append(names)
        replace(*names)

    new = tmp_path / "made" / "part"
    new.write_bytes(b"another library")
    monkeypatch.setattr(seal.os, "replace", killed)
    if moved == 2:
        seal.put(new, library)
        assert seal.contents(library) == b"another library"
        return
    with pytest.raises(KeyboardInterrupt):
        seal.put(new, library)
    with pytest.raises(seal.Damaged):
        seal.contents(library)
