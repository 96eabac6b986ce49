from pathlib import Path

import pytest

from hyperseg_tf.ops import nvcc
from hyperseg_tf.ops.nvcc import Nvcc, NvccUnavailable

_CUDA_13 = Nvcc("nvcc", "13.0.88", (75, 80, 86, 87, 88, 89, 90, 100, 120), "")
_CUDA_12 = Nvcc("nvcc", "12.4.131", (50, 60, 70, 75, 80, 86, 87, 89, 90), "")


@pytest.fixture(autouse=True)
def _nothing_installed(monkeypatch):
    monkeypatch.delenv("CUDA_HOME", raising=False)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(nvcc, "in_wheels", lambda: [])
    monkeypatch.setattr(nvcc, "_USUAL", Path("/no/cuda/bin/nvcc"))
    monkeypatch.setattr(nvcc, "driver", lambda: None)
    monkeypatch.setattr(nvcc.shutil, "which", lambda name: None)
    nvcc.find.cache_clear()
    yield
    nvcc.find.cache_clear()


def _toolkit(folder, version="12.4.131", libraries="lib64", status=0):
    """A script that answers as nvcc does, and the toolkit around it."""
    program = folder / "bin" / "nvcc"
    program.parent.mkdir(parents=True)
    program.write_text(
        "#!/bin/sh\n"
        'case "$1" in\n'
        f"--version) echo 'Cuda compilation tools, release, V{version}';;\n"
        "--list-gpu-arch) echo compute_80; echo compute_75;;\n"
        f"--dryrun) echo '#$ TOP={folder}/bin/..' >&2\n"
        f"  echo '#$ LIBRARIES= \"-L{folder}/stubs\"' >&2;; esac\nexit {status}\n"
    )
    program.chmod(0o755)
    if libraries:
        (folder / libraries).mkdir()
        (folder / libraries / nvcc.CUDART).write_text("")
    return program


def test_the_places_are_asked_in_order(tmp_path, monkeypatch):
    places = {name: _toolkit(tmp_path / name) for name in "abcd"}
    with pytest.raises(NvccUnavailable, match="there is no nvcc; install a CUDA"):
        nvcc.find()

    def found():
        nvcc.find.cache_clear()
        return nvcc.find().path

    monkeypatch.setattr(nvcc, "in_wheels", lambda: [places["d"]])
    assert found() == str(places["d"])
    monkeypatch.setattr(nvcc, "_USUAL", places["c"])
    assert found() == str(places["c"])
    monkeypatch.setattr(nvcc.shutil, "which", lambda name: str(places["b"]))
    assert found() == str(places["b"])
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "a"))
    assert found() == str(places["a"])
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "empty"))
    assert found() == str(places["b"])


@pytest.mark.parametrize("libraries", ["lib64", "lib", "stubs"])
def test_the_runtime_library_is_looked_for_beside_the_program(tmp_path, libraries):
    found = nvcc.ask(_toolkit(tmp_path, libraries=libraries))
    assert found.version == "12.4.131"
    assert found.known == (75, 80)
    assert found.cudart == str(tmp_path / libraries / nvcc.CUDART)


def test_what_cannot_be_used_is_passed_over_and_said(tmp_path, monkeypatch):
    _toolkit(tmp_path / "bare", libraries=None)
    broken = _toolkit(tmp_path / "broken", status=3)
    monkeypatch.setattr(nvcc, "in_wheels", lambda: [broken])
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "bare"))
    with pytest.raises(NvccUnavailable, match=f"has no {nvcc.CUDART}"):
        nvcc.find()
    with pytest.raises(NvccUnavailable, match="--version failed: Cuda compilation"):
        nvcc.ask(broken)
    monkeypatch.setattr(nvcc, "_USUAL", _toolkit(tmp_path / "whole"))
    assert nvcc.find().path == str(tmp_path / "whole" / "bin" / "nvcc")


def test_a_toolkit_newer_than_the_driver_is_passed_over(tmp_path, monkeypatch):
    new, old = _toolkit(tmp_path / "new", "13.0.88"), _toolkit(tmp_path / "old")
    monkeypatch.setattr(nvcc, "driver", lambda: (12, 8))
    monkeypatch.setattr(nvcc, "in_wheels", lambda: [new])
    with pytest.raises(NvccUnavailable, match="newer than the driver.*CUDA 12.8"):
        nvcc.find()
    monkeypatch.setattr(nvcc, "in_wheels", lambda: [new, old])
    assert nvcc.find().path == str(old)


@pytest.mark.parametrize(
    ("compiler", "devices", "targets"),
    [
        (_CUDA_13, (), (75, 80, 86, 89, 90)),
        (_CUDA_12, (), (70, 75, 80, 86, 89, 90)),
        (_CUDA_13, (90,), (90,)),
        (_CUDA_13, (75, 120), (75, 120)),
        (_CUDA_12, (70,), (70,)),
        (_CUDA_12, (120,), (90,)),  # by way of PTX
    ],
)
def test_it_compiles_for_the_devices_or_for_all(compiler, devices, targets):
    assert compiler.targets(devices) == targets
    assert all(nvcc.covers(targets, device) for device in devices)


def test_devices_that_are_too_old_are_refused():
    with pytest.raises(NvccUnavailable, match="for sm_75 and newer, the GPU is sm_70"):
        _CUDA_13.targets((70, 90))
    with pytest.raises(NvccUnavailable, match="need a GPU of sm_70 or newer"):
        _CUDA_12.targets((61,))


def test_code_runs_on_newer_devices_of_its_generation_and_ptx_on_all_newer():
    assert nvcc.covers((80,), 86) and nvcc.covers((80,), 90)
    assert not nvcc.covers((86,), 80)
    assert not nvcc.covers((80, 120), 90)  # PTX is of the newest only
    assert nvcc.flags((75, 90)) == [
        "-gencode=arch=compute_75,code=sm_75",
        "-gencode=arch=compute_90,code=[sm_90,compute_90]",
    ]
