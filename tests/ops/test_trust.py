import os

import pytest

from hyperseg_tf.ops import trust
from hyperseg_tf.ops.compiler import KernelsUnavailable


@pytest.fixture
def file(tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir(0o700)
    path = folder / "ops.so"
    path.write_bytes(b"library")
    path.chmod(0o644)
    return path


def _read(path):
    return trust.read(path, 100)


def test_what_is_ours_alone_is_read(file):
    assert _read(file) == b"library"
    assert trust.read(file, 3) == b"libr"  # too long shows


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777])
def test_a_folder_that_others_can_write_is_refused_with_the_command_that_mends_it(
    file, mode
):
    file.parent.chmod(mode)
    remedy = f"has the mode {mode:o}; `chmod go-w {file.parent}`, if nobody else"
    with pytest.raises(KernelsUnavailable, match=remedy):
        _read(file)
    file.parent.chmod(mode & ~0o022)
    assert _read(file) == b"library"


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_a_file_that_others_can_write_is_refused(file, mode):
    file.chmod(mode)
    with pytest.raises(KernelsUnavailable, match=f"`chmod go-w {file}`"):
        _read(file)


def test_nobody_is_told_to_close_a_folder_for_everybody(file):
    file.parent.chmod(0o1777)
    with pytest.raises(KernelsUnavailable, match="1777; set HYPERSEG_TF_CACHE to a"):
        _read(file)


@pytest.mark.parametrize("whose", ["file", "folder"])
def test_what_belongs_to_somebody_else_is_refused(file, monkeypatch, whose):
    path = file if whose == "file" else file.parent
    monkeypatch.setattr(trust.os, "fstat", _owned(monkeypatch, path, os.geteuid() + 7))
    with pytest.raises(KernelsUnavailable, match=f"{path} belongs to the user id .*se"):
        _read(file)


def test_what_root_made_is_read_by_everybody(file, monkeypatch):
    for path in (file, file.parent):
        monkeypatch.setattr(trust.os, "fstat", _owned(monkeypatch, path, 0))
    assert _read(file) == b"library"


def _owned(monkeypatch, path, user):
    """os.fstat where a file belongs to this user."""
    original, found = os.fstat, os.stat(path)

    def fstat(descriptor):
        seen = original(descriptor)
        if not os.path.samestat(seen, found):
            return seen
        return os.stat_result((*seen[:4], user, *seen[5:]))

    return fstat


@pytest.mark.parametrize("target", ["there", "not there"])
def test_no_link_is_followed(file, tmp_path, target):
    elsewhere = tmp_path / "elsewhere"
    if target == "there":
        elsewhere.write_bytes(b"library")
    file.unlink()
    file.symlink_to(elsewhere)
    with pytest.raises(KernelsUnavailable, match="it is a link.; delete it"):
        _read(file)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_refused_and_not_waited_for(file, make):
    file.unlink()
    make(file, 0o600)
    with pytest.raises(KernelsUnavailable, match="must be a regular file"):
        _read(file)


def test_a_folder_may_be_a_link_to_one_that_is_sound(file, tmp_path):
    (tmp_path / "link").symlink_to(file.parent)
    assert _read(tmp_path / "link" / "ops.so") == b"library"


def test_a_folder_renamed_meanwhile_is_not_read(file, monkeypatch):
    check = trust._check

    def rename_then_check(path, *rest):
        if path == file.parent:
            file.parent.rename(file.parent.with_name("aside"))
            file.parent.mkdir()
            file.write_bytes(b"another")
        check(path, *rest)

    monkeypatch.setattr(trust, "_check", rename_then_check)
    assert _read(file) == b"library"


def test_what_is_not_there_is_not_there(file):
    for path in (file.parent / "no", file.parent / "no" / "ops.so"):
        with pytest.raises(FileNotFoundError):
            _read(path)


def test_what_cannot_be_read_is_said_with_the_way_out(file):
    with pytest.raises(KernelsUnavailable, match="Not a directory.; make it readable"):
        _read(file / "ops.so")
