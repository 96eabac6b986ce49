import errno
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hyperseg_tf.ops import build, cache, compiler
from hyperseg_tf.ops.compiler import CompileError, KernelsUnavailable
from hyperseg_tf.ops.nvcc import Nvcc

_ROOT = Path(__file__).resolve().parents[2]
_CUDA = Nvcc("nvcc", "13.0.88", (75, 80, 86, 90), "")


@pytest.mark.parametrize(
    "changed", ["cuda/context.h", "cuda/kernels.cu.cc", "tensorflow/gpu.cc"]
)
def test_the_name_of_a_gpu_library_depends_on_its_own_sources(
    tmp_path, monkeypatch, changed
):
    shutil.copytree(compiler.SOURCES, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(compiler, "SOURCES", tmp_path)
    before = cache.gpu_library(_CUDA, (90,)), cache.library()
    (tmp_path / changed).write_text("// changed")
    assert cache.gpu_library(_CUDA, (90,)) != before[0]
    assert cache.library() == before[1]
    (tmp_path / "fuzz" / "main.cc").write_text("// changed")
    assert cache.library() == before[1]
    # The rooms have files of the same name: moved, the sources are others.
    (tmp_path / "cpu" / "simd.h").rename(tmp_path / "tensorflow" / "simd.h")
    assert cache.library() != before[1]


def _names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def stub(tmp_path, monkeypatch):
    """A compiler that does what the test says, and counts its calls."""
    program, calls = tmp_path / "stub", tmp_path / "calls"
    monkeypatch.setenv("CXX", str(program))
    monkeypatch.setenv(cache.CACHE, str(tmp_path / "cache"))

    def write(*commands):
        lines = ["#!/bin/sh", f"echo call >> {calls}", *commands]
        program.write_text("\n".join(lines) + "\n")
        program.chmod(0o755)
        calls.write_text("")

    write.calls = lambda: calls.read_text().count("call")
    write.path = tmp_path / "cache" / "ops.so"
    # Failures are remembered where there is another library: with GPU kernels.
    write.cuda = (Nvcc(str(program), "13.0.88", (90,), "cudart.a"), (90,))
    return write


_REFUSED = (
    "echo 'x.h:3:9: error: no such thing' >&2",
    "echo '    3 | int signal terminated program' >&2",
    "exit 1",
)
_PASSING = {
    "killed": (("kill -KILL $$",), "ended by SIGKILL, perhaps for want of memory"),
    "killed below a shell": (("exit 137",), "ended by SIGKILL"),
    "silent": (("exit 1",), "no message, exit status 1"),
    "killed below g++": (
        (
            "echo 'g++: fatal error: Killed signal terminated program cc1plus' >&2",
            "exit 1",
        ),
        "Killed signal terminated program",
    ),
    "killed below nvcc": (
        ("echo \"nvcc error   : 'cicc' died due to signal 9\" >&2", "exit 9"),
        "'cicc' died due to signal 9",
    ),
    "disk full": (
        (
            "echo 'x.cc:1:1: fatal error: /tmp/c.s: No space left on device' >&2",
            "exit 1",
        ),
        "No space left on device",
    ),
    "no program": (("#", "exit 126"), "no message, exit status 126"),
}


@pytest.mark.parametrize("name", _PASSING)
def test_a_failure_that_may_pass_is_not_remembered(stub, name):
    commands, said = _PASSING[name]
    stub(*commands)
    for _ in range(2):
        with pytest.raises(KernelsUnavailable, match=re.escape(said)) as caught:
            build.build(stub.path, stub.cuda)
        assert not isinstance(caught.value, CompileError)
        assert "`python -m hyperseg_tf.ops.build` tries again" in str(caught.value)
        assert stub.calls() > 0
        stub(*commands)
    assert [p.name for p in stub.path.parent.iterdir()] == ["ops.lock"]


def test_that_the_sources_are_refused_is_remembered_until_somebody_tries_again(stub):
    stub(*_REFUSED)
    with pytest.raises(CompileError, match="stub failed: x.h:3:9: error: no such"):
        build.build(stub.path, stub.cuda)
    calls = stub.calls()
    with pytest.raises(CompileError, match="no such thing .an earlier time; `python"):
        build.build(stub.path, stub.cuda)
    assert stub.calls() == calls > 0
    cache.forget_failures()
    with pytest.raises(CompileError, match="no such thing$"):
        build.build(stub.path, stub.cuda)
    assert stub.calls() > calls


def test_what_cannot_be_remembered_is_said_all_the_same(stub, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    stub(*_REFUSED)
    monkeypatch.setattr(cache.Path, "write_text", full)
    with pytest.raises(CompileError, match="no such thing$"):
        build.build(stub.path, stub.cuda)
    assert [p.name for p in stub.path.parent.iterdir()] == ["ops.lock"]


def test_without_gpu_kernels_nothing_is_remembered(stub):
    # There is no other library to fall back on: whoever mends it sees it at once.
    stub(*_REFUSED)
    for _ in range(2):
        with pytest.raises(CompileError, match="no such thing$"):
            build.build(stub.path)
    stub('while [ "$1" != -o ]; do shift; done', 'touch "$2"')
    build.build(stub.path)
    assert _names(stub.path.parent) == ["ops.lock", "ops.sha256", "ops.so"]


def test_a_full_disk_is_said_and_leaves_nothing(stub, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cache.os, "replace", full)

    def compile_into(folder):
        (folder / "ops.so").write_text("")
        return folder / "ops.so"

    with pytest.raises(KernelsUnavailable, match="No space left.*set HYPERSEG_TF_CACH"):
        cache.make(stub.path, compile_into, remember=True)
    assert [p.name for p in stub.path.parent.iterdir()] == ["ops.lock"]


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_folder_without_locks_is_refused(stub, monkeypatch, code):
    def flock(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("fcntl.flock", flock)
    stub("exit 1")
    with pytest.raises(KernelsUnavailable, match=f"{os.strerror(code)}.*a folder whe"):
        build.build(stub.path)
    assert stub.calls() == 0


def test_a_folder_that_cannot_be_made_is_refused(stub, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(KernelsUnavailable, match="set HYPERSEG_TF_CACHE to a folder"):
        build.build(tmp_path / "file" / "cache" / "ops.so")


_MAKE = """
import sys, time
from pathlib import Path
from hyperseg_tf.ops import cache
path, notes, seconds = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
def compile_into(folder):
    assert not list(folder.iterdir())
    (folder / "part").write_text("")
    with notes.open("a") as file:
        file.write("compiled ")
    time.sleep(seconds)
    return folder / "part"
cache.make(path, compile_into, remember=False)
"""


def _making(path, notes, seconds):
    arguments = (sys.executable, "-c", _MAKE, path, notes, str(seconds))
    return subprocess.Popen(arguments, cwd=_ROOT)


def test_of_processes_that_need_the_ops_one_compiles(tmp_path):
    path, notes = tmp_path / "ops.so", tmp_path / "notes"
    processes = [_making(path, notes, 1) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert notes.read_text().split() == ["compiled"]
    assert _names(tmp_path) == ["notes", "ops.lock", "ops.sha256", "ops.so"]


def test_the_lock_of_a_process_that_is_killed_is_gone_with_it(tmp_path):
    path, notes = tmp_path / "ops.so", tmp_path / "notes"
    first = _making(path, notes, 600)
    while not notes.exists():
        assert first.poll() is None
        time.sleep(0.02)
    second = _making(path, notes, 0)
    with pytest.raises(subprocess.TimeoutExpired):
        second.wait(1)  # it waits for the first one
    first.kill()
    first.wait()
    assert second.wait(60) == 0
    assert notes.read_text().split() == ["compiled", "compiled"]
    assert _names(tmp_path) == ["notes", "ops.lock", "ops.sha256", "ops.so"]


def _library(path):
    """A compiler of libraries that notes its calls."""
    calls = []

    def compile_into(folder):
        calls.append(path)
        (folder / "part").write_bytes(b"made")
        return folder / "part"

    return compile_into, calls


@pytest.fixture
def place(tmp_path):
    return tmp_path / "cache" / "ops.so"


@pytest.fixture(autouse=True)
def _new_process():
    cache._say_damaged.cache_clear()


def test_the_folder_is_made_for_its_user_alone(place, tmp_path):
    before = os.umask(0)
    try:
        cache.make(place, _library(place)[0], remember=False)
    finally:
        os.umask(before)
    assert place.parent.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o022 == 0 for path in place.parent.iterdir())


@pytest.mark.parametrize("damage", ["cut", "changed", "no digest"])
def test_a_library_that_is_damaged_is_made_again_and_that_is_said_once(
    place, caplog, damage
):
    compile_into, calls = _library(place)
    cache.make(place, compile_into, remember=False)
    if damage == "no digest":  # as earlier versions left them
        place.with_suffix(".sha256").unlink()
    else:
        place.write_bytes(b"mad" if damage == "cut" else b"Made")
    for _ in range(2):
        assert not cache.is_there(place)
    assert cache.make(place, compile_into, remember=False)
    assert cache.is_there(place) and len(calls) == 2
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    assert f"{place} is not used, since" in caplog.text


def test_a_library_that_is_there_needs_no_lock(place, monkeypatch):
    cache.make(place, _library(place)[0], remember=False)
    # As on a file system that is read-only.
    monkeypatch.setattr(cache, "_alone", None)
    assert cache.is_there(place)


def test_nothing_is_compiled_where_others_can_write(place):
    compile_into, calls = _library(place)
    place.parent.mkdir()
    place.parent.chmod(0o777)
    for _ in range(2):
        with pytest.raises(KernelsUnavailable, match="chmod go-w"):
            cache.make(place, compile_into, remember=False)
    assert not calls and not list(place.parent.iterdir())


@pytest.mark.parametrize("kind", [".lock", ".failed", ".so", ".sha256"])
def test_no_link_in_the_folder_is_followed(place, tmp_path, kind):
    compile_into, calls = _library(place)
    cache.make(place, compile_into, remember=False)
    target = tmp_path / "target"
    target.write_text("mine")
    link = place.with_suffix(kind)
    link.unlink(missing_ok=True)
    link.symlink_to(target)
    if kind == ".lock":
        place.unlink()
    with pytest.raises(KernelsUnavailable):
        cache.make(place, compile_into, remember=False)
    assert target.read_text() == "mine" and len(calls) == 1


def test_a_failure_of_any_bytes_is_read(place):
    place.parent.mkdir(0o700)
    place.with_suffix(".failed").write_bytes(b"\xff\x1b[31m wrong\nline" + 5000 * b"x")
    with pytest.raises(CompileError, match="wrong line.*an earlier time") as caught:
        cache.make(place, _library(place)[0], remember=False)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 1500


def test_a_user_without_a_home_folder_is_told_what_to_set(monkeypatch):
    def nobody(_):
        raise KeyError("uid not found")

    for name in (cache.CACHE, "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)
    with pytest.raises(KernelsUnavailable, match="set HYPERSEG_TF_CACHE to a folder"):
        cache.folder()


def test_a_name_that_is_no_list_of_architectures_is_passed_over(place, monkeypatch):
    monkeypatch.setenv(cache.CACHE, str(place.parent))
    path = cache.gpu_library(_CUDA, (75, 90))
    other = path.with_name(path.name.replace("75_90", "75_x"))
    for library in (path, other):
        cache.make(library, _library(library)[0], remember=False)
    assert cache.gpu_libraries() == {path: (75, 90)}
    path.write_bytes(b"damaged")
    assert cache.gpu_libraries() == {}


def test_only_root_builds_for_others(place, monkeypatch):
    monkeypatch.setenv(cache.CACHE, str(place.parent))
    place.parent.mkdir(0o700)
    for user, mode in ((1000, 0o700), (0, 0o755)):
        monkeypatch.setattr(cache.os, "geteuid", lambda user=user: user)
        cache.let_others_read()
        assert place.parent.stat().st_mode & 0o777 == mode
