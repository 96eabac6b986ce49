import os
import shutil

import pytest

from tests.ops import fuzz_kernels

# Missing on a laptop, it is skipped; in CI it must be there.
pytestmark = pytest.mark.skipif(
    not shutil.which(os.environ.get("CXX") or "g++") and not os.environ.get("CI"),
    reason="the fuzzer of the kernels is compiled: there is no g++, and CXX names none",
)


def fuzz(capfd, *options):
    status = fuzz_kernels.main(options)
    out, err = capfd.readouterr()
    assert status == 0, err
    return out


@pytest.mark.slow
def test_kernels_equal_the_reference_on_random_and_hostile_shapes(capfd):
    # The other instruction sets take twice the time to compile: the slow test has them.
    out = fuzz(capfd, "--cases", "400", "--seed", "1", "--isa", "portable")
    assert "total: 1 instruction sets, 400 cases, " in out


@pytest.mark.slow
def test_a_case_can_be_repeated_alone(capfd):
    alone = [fuzz(capfd, "--isa", "portable", "--only", "7") for _ in range(2)]
    assert alone[0] == alone[1]
    assert alone[0].startswith("7 ") and "portable: 1 cases" in alone[0]


@pytest.mark.slow
def test_kernels_equal_the_reference_in_thousands_of_cases(capfd):
    # `make fuzz` runs 60,000 for each instruction set.
    assert "portable: 6000 cases" in fuzz(capfd, "--cases", "6000")
