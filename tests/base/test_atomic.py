import pytest

from hyperseg_tf.base.atomic import atomic_file, atomic_folder
from hyperseg_tf.base.errors import UserError


def test_atomic_file_leaves_the_old_file_after_an_error(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_file(path) as temporary:
        temporary.write_text("half")
        assert temporary.suffix == ".txt"
        raise RuntimeError
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_atomic_folder_refuses_and_replaces(tmp_path):
    path = tmp_path / "out"
    with atomic_folder(path) as temporary:
        (temporary / "a").write_text("1")
    with pytest.raises(UserError, match="--overwrite"), atomic_folder(path):
        pass
    with pytest.raises(RuntimeError), atomic_folder(path, overwrite=True) as temporary:
        raise RuntimeError
    assert [entry.name for entry in path.iterdir()] == ["a"]
    with atomic_folder(path, overwrite=True) as temporary:
        (temporary / "b").write_text("2")
    assert [entry.name for entry in path.iterdir()] == ["b"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]
