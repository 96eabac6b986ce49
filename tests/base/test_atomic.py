import errno
import resource

import pytest

from hyperseg_tf.base.atomic import atomic_file, atomic_folder, try_output
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


def _write_to(kind, path):
    return atomic_file(path) if kind == "file" else atomic_folder(path)


@pytest.mark.parametrize("kind", ["file", "folder"])
@pytest.mark.parametrize("limit_bytes", [0, 100])
def test_a_full_disk_names_the_file_that_was_to_be_written(tmp_path, kind, limit_bytes):
    path = tmp_path / "out.bin"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, hard))
    try:
        with pytest.raises(OSError) as caught, _write_to(kind, path) as temporary:
            target = temporary if kind == "file" else temporary / "part"
            with target.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(60))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.errno == errno.EFBIG
    assert caught.value.filename == str(path)
    assert not list(tmp_path.iterdir())


def test_the_temporary_name_is_not_said(tmp_path):
    path = tmp_path / "out"
    with pytest.raises(FileNotFoundError) as caught, atomic_folder(path) as temporary:
        (temporary / "no" / "a").write_text("")
    assert caught.value.filename == str(path / "no" / "a")


def test_an_error_without_words_of_the_system_gets_the_file_too(tmp_path):
    with pytest.raises(OSError) as caught, atomic_file(tmp_path / "a.png"):
        raise OSError("encoder error -2 when writing image file")
    assert caught.value.filename == str(tmp_path / "a.png")
    assert caught.value.strerror == "encoder error -2 when writing image file"


def test_what_tensorflow_and_closing_archives_make_of_a_full_disk_is_one(tmp_path):
    class ResourceExhaustedError(Exception):
        __module__ = "tensorflow.python.framework.errors_impl"

    with pytest.raises(OSError) as caught, atomic_file(tmp_path / "a") as temporary:
        raise ResourceExhaustedError(
            f"{{{{function_node SaveV2}}}} {temporary}/part; No space left on device "
            "[Op:SaveV2]"
        )
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == str(tmp_path / "a" / "part")
    with pytest.raises(OSError) as caught, atomic_file(tmp_path / "a"):
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        finally:
            raise ValueError("there is an open writing handle")
    assert caught.value.filename == str(tmp_path / "a")


def test_a_bug_stays_one(tmp_path):
    with pytest.raises(KeyError), atomic_file(tmp_path / "a"):
        try:
            (tmp_path / "no" / "file").read_text()
        except FileNotFoundError:
            raise KeyError("a") from None


def test_an_output_is_tried_and_nothing_is_left(tmp_path):
    try_output(None)
    try_output("-")
    try_output(tmp_path / "new" / "deeper" / "a.json")
    try_output(tmp_path / "folder", folder=True)
    (tmp_path / "old.json").write_text("old")
    try_output(tmp_path / "old.json")
    assert [path.name for path in tmp_path.iterdir()] == ["old.json"]
    assert (tmp_path / "old.json").read_text() == "old"


def test_an_output_that_cannot_be_is_refused_before_the_work(tmp_path):
    (tmp_path / "file").write_text("")
    for path, folder, said in (
        (tmp_path, False, "is a folder; name a file"),
        (tmp_path / "file", True, "is a file; name another"),
        (tmp_path / "file" / "a.json", False, "name another path"),
        (tmp_path / ("a" * 300), False, "File name too long"),
    ):
        with pytest.raises(UserError, match=said):
            try_output(path, folder)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
