import os

import pytest

from hyperseg_tf.base import regular_file
from hyperseg_tf.base.regular_file import open_regular, read_regular, read_text
from tests.hostile.entries import strange_entries


def test_regular_files_and_links_to_them_are_read(tmp_path):
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbfx\r\ny")
    os.symlink("a", tmp_path / "link")
    assert read_regular(tmp_path / "link") == (tmp_path / "a").read_bytes()
    assert read_text(tmp_path / "link") == "x\ny"


def test_nothing_else_is_opened_and_nothing_is_waited_for(tmp_path):
    for name in strange_entries(tmp_path):
        with pytest.raises(OSError) as error:
            open_regular(tmp_path / name)
        assert error.value.strerror and name in str(error.value.filename)
    with pytest.raises(ValueError):
        open_regular("a\0b")


def test_what_is_put_in_place_of_a_file_is_not_read(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"x")
    os.mkfifo(tmp_path / "fifo")
    opened = []
    real = os.open

    def exchanged(path, flags):
        opened.append(real(tmp_path / "fifo", flags))
        return opened[-1]

    monkeypatch.setattr(regular_file.os, "open", exchanged)
    with pytest.raises(OSError, match="a FIFO"):
        open_regular(tmp_path / "a")
    with pytest.raises(OSError):
        os.fstat(opened[0])  # closed again


def test_files_beyond_a_size_are_refused(tmp_path):
    path = tmp_path / "sparse"
    with open(path, "wb") as file:
        file.truncate(2**40)
    with pytest.raises(OSError, match="more than"):
        open_regular(path)
