import logging
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import tensorflow as tf

from hyperseg_tf.ops import build, cache, choice, compiler, fused, loading, nvcc
from hyperseg_tf.ops.compiler import CompileError
from hyperseg_tf.ops.nvcc import Nvcc, NvccUnavailable

_ROOT = Path(__file__).resolve().parents[2]


class _Machine:
    """What the machine has; compiling and loading are noted, not done."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.built, self.opened = folder, [], []
        self.nvcc, self.gpus, self.nvcc_fails = None, (), ""
        monkeypatch.setenv(cache.CACHE, str(folder))
        monkeypatch.delenv(build.GPU, raising=False)
        monkeypatch.delenv(choice.ENVIRONMENT, raising=False)
        monkeypatch.setattr(build, "_capabilities", lambda: self.gpus)
        monkeypatch.setattr(tf.config, "get_visible_devices", lambda _: self.gpus)
        monkeypatch.setattr(tf.test, "is_built_with_cuda", lambda: True)
        monkeypatch.setattr(nvcc, "find", self._find)
        monkeypatch.setattr(compiler, "compile_ops", self._compile)
        monkeypatch.setattr(loading, "load", self.opened.append)
        self.restart()

    def restart(self):
        """As in a new process."""
        for cached in (build.load, build._library, fused.unavailable):
            cached.cache_clear()
        for cached in (choice._warn, choice._tell, choice._say_on_cpu):
            cached.cache_clear()

    def load(self):
        """Of the library that is loaded: its name behind the digest."""
        self.restart()
        build.load()
        return re.sub(r"ops-.*-[0-9a-f]{16}", "", self.opened[-1].name)

    def _find(self):
        if not self.nvcc:
            raise NvccUnavailable("there is no nvcc.")
        return self.nvcc

    def _compile(self, folder, cuda):
        if cuda and self.nvcc_fails:
            self.built.append("nvcc failed")
            raise CompileError(self.nvcc_fails)
        self.built.append(cuda[1] if cuda else "cpu")
        (folder / "ops.so").write_text("")
        return folder / "ops.so"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    yield (machine := _Machine(tmp_path, monkeypatch))
    machine.restart()


_CUDA = Nvcc("nvcc", "13.0.88", (75, 80, 86, 90), "")
_ALL = "-cuda13.0.88-sm_75_80_86_90.so"


def test_without_a_gpu_the_build_is_the_quick_one(machine):
    machine.nvcc = _CUDA
    assert machine.load() == machine.load() == ".so"
    assert machine.built == ["cpu"]


def test_a_damaged_library_is_built_again(machine):
    machine.load()
    machine.opened[-1].write_text("rotten")
    assert machine.load() == machine.load() == ".so"
    assert machine.built == ["cpu", "cpu"]


def test_a_damaged_library_with_gpu_kernels_is_built_again(machine):
    machine.nvcc, machine.gpus = _CUDA, (90,)
    machine.load()
    machine.opened[-1].with_suffix(".sha256").unlink()
    assert machine.load() == "-cuda13.0.88-sm_90.so"
    assert machine.built == [(90,), (90,)]
    machine.opened[-1].write_text("rotten")
    machine.nvcc = None
    assert machine.load() == ".so"


def test_a_cache_that_cannot_be_trusted_is_said_once_and_the_slower_way_goes_on(
    machine, caplog
):
    machine.load()
    machine.folder.chmod(0o777)
    machine.restart()
    for _ in range(2):
        assert choice.resolve("auto") == choice.resolve("auto", training=True) == "xla"
        assert choice.for_any_size() == "slices"
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    assert f"`chmod go-w {machine.folder}`" in caplog.text
    with pytest.raises(RuntimeError, match="not available: others must not be able"):
        choice.resolve("fused")


def test_of_processes_that_start_together_one_compiles(machine):
    path = machine.folder / "ops.so"
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(build.build, [path] * 3))
    assert len(machine.built) == 1


def test_a_gpu_gets_kernels_for_itself_alone(machine):
    machine.nvcc, machine.gpus = _CUDA, (90,)
    assert machine.load() == machine.load() == "-cuda13.0.88-sm_90.so"
    assert machine.built == [(90,)]
    assert build.no_gpu_kernels() == ""
    machine.nvcc = Nvcc("nvcc", "13.1.20", (75, 90), "")
    assert machine.load() == "-cuda13.1.20-sm_90.so"


def test_a_build_for_all_serves_every_machine(machine, monkeypatch):
    monkeypatch.setenv(build.GPU, "1")
    machine.nvcc = _CUDA
    assert machine.load() == _ALL
    monkeypatch.delenv(build.GPU)
    for gpus in ((), (86,), (90,), (120,)):
        for machine.nvcc in (_CUDA, None):
            machine.gpus = gpus
            assert machine.load() == _ALL, gpus
    assert machine.built == [(75, 80, 86, 90)]
    monkeypatch.setenv(build.GPU, "0")
    machine.gpus = (90,)
    assert machine.load() == ".so"
    assert "HYPERSEG_TF_GPU=0" in build.no_gpu_kernels()


def test_a_build_for_another_gpu_does_not_serve(machine):
    machine.nvcc, machine.gpus = _CUDA, (90,)
    machine.load()
    machine.nvcc, machine.gpus = None, (86,)
    assert machine.load() == ".so"
    assert build.no_gpu_kernels() == "there is no nvcc."


def test_without_nvcc_a_gpu_takes_xla_and_says_so_once(machine, caplog):
    machine.gpus = (90,)
    with caplog.at_level(logging.INFO, logger="hyperseg_tf"):
        for _ in range(2):
            assert choice.resolve("auto") == "xla"
    said = [r for r in caplog.records if "there is no nvcc." in r.message]
    assert [r.levelname for r in said] == ["WARNING"]
    assert "slower path than they could: the custom ops have no" in said[0].message
    assert machine.built == ["cpu"]


def test_with_nvcc_a_gpu_takes_the_fused_kernels(machine, caplog):
    machine.nvcc, machine.gpus = _CUDA, (90,)
    with caplog.at_level(logging.WARNING, logger="hyperseg_tf"):
        assert choice.resolve("auto") == choice.resolve("fused") == "fused"
    assert not caplog.records


def test_fused_by_name_runs_on_the_cpu_beside_a_gpu_and_says_so(machine, caplog):
    machine.gpus = (90,)
    with caplog.at_level(logging.WARNING, logger="hyperseg_tf"):
        for _ in range(2):
            assert choice.resolve("fused") == "fused"
    assert len(caplog.records) == 1
    assert "runs on the CPU: the custom ops have no" in caplog.records[0].message


def test_that_nvcc_refuses_the_sources_is_remembered(machine):
    machine.nvcc, machine.gpus = _CUDA, (90,)
    machine.nvcc_fails = "nvcc failed: unsupported GNU version"
    assert machine.load() == ".so"
    assert build.no_gpu_kernels() == machine.nvcc_fails
    assert machine.load() == ".so"
    assert machine.built == ["nvcc failed", "cpu"]
    failed = next(machine.folder.glob("*.failed"))
    assert build.no_gpu_kernels() == (
        f"{machine.nvcc_fails} (an earlier time; `python -m hyperseg_tf.ops.build` "
        f"tries again, or delete {failed})."
    )
    failed.unlink()
    machine.nvcc_fails = ""
    assert machine.load() == "-cuda13.0.88-sm_90.so"


def test_asked_for_without_a_gpu_the_log_says_what_is_missing(
    machine, monkeypatch, caplog
):
    monkeypatch.setenv(build.GPU, "1")
    with caplog.at_level(logging.WARNING, logger="hyperseg_tf"):
        assert machine.load() == ".so"
    assert [r.message for r in caplog.records] == [
        "the custom ops have no GPU kernels: there is no nvcc."
    ]
    caplog.clear()
    monkeypatch.setattr(tf.test, "is_built_with_cuda", lambda: False)
    assert machine.load() == ".so"
    assert "TensorFlow is built without CUDA" in caplog.records[0].message
    monkeypatch.setenv(build.GPU, "yes")
    with pytest.raises(ValueError, match="must be 0 or 1: got 'yes'"):
        machine.load()


def test_a_tensorflow_without_cuda_gets_no_gpu_kernels(machine, monkeypatch):
    monkeypatch.setattr(tf.test, "is_built_with_cuda", lambda: False)
    machine.nvcc, machine.gpus = _CUDA, (90,)
    assert machine.load() == ".so"
    assert build.no_gpu_kernels() == "this TensorFlow is built without CUDA."


@pytest.mark.parametrize(
    ("options", "gpus", "status"),
    [([], (), 0), (["--gpu"], (), 2), ([], (90,), 0), (["--gpu"], (90,), 2)],
)
def test_the_command_fails_where_gpu_kernels_were_asked_for(
    machine, monkeypatch, capsys, caplog, options, gpus, status
):
    machine.gpus = gpus
    monkeypatch.setenv(build.GPU, "")  # restored afterwards
    monkeypatch.setattr(sys, "argv", ["build", *options])
    with caplog.at_level(logging.WARNING, logger="hyperseg_tf"):
        assert build.main() == status
    printed = capsys.readouterr()
    assert printed.out.endswith(".so\n")
    said = printed.err + "".join(record.message for record in caplog.records)
    assert said.count("there is no nvcc.") == bool(options or gpus)


@pytest.mark.slow  # imports TensorFlow again; above `main` is called
def test_the_command_fails_without_a_compiler(tmp_path):
    environment = {**os.environ, cache.CACHE: str(tmp_path), "CXX": "no-such-compiler"}
    environment.pop(build.GPU, None)
    done = subprocess.run(
        [sys.executable, "-m", "hyperseg_tf.ops.build"],
        cwd=_ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "there is no compiler no-such-compiler" in done.stderr
