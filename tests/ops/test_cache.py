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
    assert sorted(p.name for p in stub.path.parent.iterdir()) == ["ops.lock", "ops.so"]


def test_a_full_disk_is_said_and_leaves_nothing(stub, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cache.os, "replace", full)
    with pytest.raises(KernelsUnavailable, match="No space left.*set HYPERSEG_TF_CACH"):
        cache.make(stub.path, lambda folder: folder / "ops.so", remember=True)
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
    assert sorted(p.name for p in tmp_path.iterdir()) == ["notes", "ops.lock", "ops.so"]


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
    assert sorted(p.name for p in tmp_path.iterdir()) == ["notes", "ops.lock", "ops.so"]
