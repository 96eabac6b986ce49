import os
import re
import subprocess
from pathlib import Path

import pytest

from hyperseg_tf.ops import build, cache, compiler, loading, seal
from hyperseg_tf.ops.compiler import KernelsUnavailable


@pytest.fixture
def library(tmp_path):
    """A library that loads and has no ops."""
    # Missing on a laptop, it is skipped; in CI it must be there.
    if not compiler.shutil.which("gcc") and not os.environ.get("CI"):
        pytest.skip("there is no gcc")
    (tmp_path / "a.c").write_text("int a(void) { return 1; }\n")
    command = ["gcc", "-shared", "-fPIC", "-o", "part", "a.c"]
    subprocess.run(command, cwd=tmp_path, check=True)
    path = tmp_path / "cache" / "ops.so"
    path.parent.mkdir(0o700)
    seal.put(tmp_path / "part", path)
    return path


def test_the_expected_ops_are_those_of_the_sources():
    room = compiler.SOURCES / "tensorflow"
    found = [
        re.findall(r'^REGISTER_OP\("(\w+)"', p.read_text(), re.M)
        for p in room.iterdir()
    ]
    assert set(sum(found, [])) == set(loading.OPS)


def test_a_library_with_other_ops_is_refused(library):
    with pytest.raises(KernelsUnavailable, match="DpwBlock, .* are missing; delete it"):
        loading.load(library)


def test_a_library_that_was_cut_short_is_not_opened(library, monkeypatch):
    monkeypatch.setattr(loading, "_load", None)
    library.write_bytes(library.read_bytes()[:-1])
    with pytest.raises(KernelsUnavailable, match="ops.sha256 is of other contents"):
        loading.load(library)
    library.unlink()
    with pytest.raises(KernelsUnavailable, match="changed meanwhile"):
        loading.load(library)


def test_where_memory_cannot_be_a_file_the_library_itself_is_loaded(
    library, monkeypatch
):
    monkeypatch.delattr(loading.os, "memfd_create")
    with pytest.raises(KernelsUnavailable, match="are missing"):
        loading.load(library)
    assert str(library) in Path("/proc/self/maps").read_text()


def test_what_is_no_library_is_said_in_one_line(library, tmp_path):
    (tmp_path / "part").write_text("no library")
    seal.put(tmp_path / "part", library)
    with pytest.raises(KernelsUnavailable, match="cannot be loaded .*; delete it") as e:
        loading.load(library)
    assert "\n" not in str(e.value) and str(library) in str(e.value)


@pytest.mark.ops
def test_what_runs_is_a_copy_that_no_file_changes(monkeypatch):
    build.load()
    mapped = Path("/proc/self/maps").read_text()
    assert "/memfd:ops-" in mapped and str(cache.folder()) not in mapped
