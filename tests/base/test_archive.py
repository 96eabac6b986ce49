import zipfile

import pytest

from hyperseg_tf.base import archive
from hyperseg_tf.base.archive import ArchiveError


@pytest.fixture
def bomb(tmp_path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("zeros", bytes(50_000_000))
        file.writestr("small", b"abc")
    return path


def test_members_are_bounded_by_the_caller_and_by_their_packed_size(bomb, tmp_path):
    with archive.open_archive(bomb) as file:
        assert archive.read_member(file, "small", 3) == b"abc"
        with pytest.raises(ArchiveError, match="claims 3 bytes, .*; 2 are allowed"):
            archive.read_member(file, "small", 2)
        with pytest.raises(ArchiveError, match="claims 50000000 bytes"):
            archive.extract_member(file, "zeros", tmp_path / "zeros")
        with pytest.raises(ArchiveError, match="claims 50000000 bytes"):
            archive.check_member(file, "zeros")
        with pytest.raises(ArchiveError, match="it has no other"):
            archive.read_member(file, "other", 9)
    assert not (tmp_path / "zeros").exists()


def test_an_extracted_member_replaces_no_file(bomb, tmp_path):
    kept = tmp_path / "kept"
    kept.write_text("old")
    with archive.open_archive(bomb) as file, pytest.raises(FileExistsError):
        archive.extract_member(file, "small", kept)
    assert kept.read_text() == "old"
