import configparser
import re
import time
from pathlib import Path

import pytest

from hyperseg_tf.ops import compiler
from hyperseg_tf.ops.compiler import CompileError, KernelsUnavailable

_ROOT = Path(__file__).resolve().parents[2]


def test_a_package_has_every_source_that_is_compiled():
    config = configparser.ConfigParser()
    config.read(_ROOT / "setup.cfg")

    def matched(section):
        patterns = config[section]["hyperseg_tf.ops"].split()
        package = compiler.SOURCES.parent
        return {p for pattern in patterns for p in package.glob(pattern)}

    left_out = matched("options.exclude_package_data")
    assert left_out == set((compiler.SOURCES / "fuzz").iterdir())
    shipped = matched("options.package_data") - left_out
    assert set(compiler.sources(gpu=True)) == shipped
    assert set(compiler.sources(gpu=False)) < shipped
    # What a unit includes goes into the name of the library, too.
    for gpu in (False, True):
        named = set(compiler.sources(gpu))
        for source in named:
            included = re.findall(r'^#include "(.+)"', source.read_text(), re.M)
            assert {compiler.SOURCES / i for i in included} <= named, source


@pytest.mark.parametrize(
    ("room", "below"),
    [
        ("cpu", {"cpu"}),
        ("cuda", {"cuda"}),
        ("tensorflow", {"tensorflow", "cpu", "cuda"}),
        ("fuzz", {"fuzz", "cpu"}),
    ],
)
def test_a_room_of_the_kernels_includes_from_below_alone(room, below):
    for source in (compiler.SOURCES / room).iterdir():
        included = re.findall(r'^#include "(.+)"', source.read_text(), re.M)
        assert all((compiler.SOURCES / i).is_file() for i in included), source
        assert {Path(i).parts[0] for i in included if "/" in i} <= below, source
        # Found beside the includer first, it would not be the one that is meant.
        for name in (i for i in included if "/" not in i):
            assert not (source.parent / name).exists(), source


def test_a_compiler_that_hangs_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(compiler, "_LONGEST_SECONDS", 1)
    program = tmp_path / "stub"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    with pytest.raises(KernelsUnavailable, match="stub was stopped after 1 s; `python"):
        compiler.run([str(program)])


def test_a_program_that_does_not_start_is_said(tmp_path):
    with pytest.raises(KernelsUnavailable, match="stub does not start .No such file"):
        compiler.run([str(tmp_path / "stub")])


def test_what_ends_one_compiler_ends_those_beside_it(tmp_path):
    slow, refused = tmp_path / "slow", tmp_path / "refused"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    refused.write_text("#!/bin/sh\nsleep 0.1\necho 'x.h:1: error: no' >&2\nexit 1\n")
    for program in (slow, refused):
        program.chmod(0o755)
    start = time.monotonic()
    with pytest.raises(CompileError, match="error: no"):
        compiler.run_together([[str(refused)], [str(slow)], [str(slow)]], jobs=2)
    assert time.monotonic() - start < 30
