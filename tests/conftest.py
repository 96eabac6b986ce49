"""What every test needs: a seed of its own, and the custom ops or a skip."""

import ctypes
import gc
import os
import sys
import zlib

import pytest

# XLA's compiler takes most of a small training step's time, and most of that is spent
# on speed: the quick tests compile without, the slow ones as users do.
_QUICK_XLA = (
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
)

# Looking for what can go takes a second, in which nothing is tested.
_MUCH = 3 * 2**30


def pytest_configure(config):
    """Before TensorFlow is imported, which reads the flags once."""
    if "not slow" in config.option.markexpr:
        given = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = f"{_QUICK_XLA} {given}".strip()


def pytest_collection_finish(session):
    """No test reads, or pushes out, what the user's own data checks have found."""
    if "hyperseg_tf.pipelines.verdicts" in sys.modules:
        sys.modules["hyperseg_tf.pipelines.verdicts"].folder = lambda: None


def pytest_fixture_setup(fixturedef, request):
    """Random weights of a fixture are the same whichever test asks for it first."""
    _seed(f"{fixturedef.baseid}::{fixturedef.argname}")


def pytest_runtest_call(item):
    """Random weights of a test are the same whichever tests ran before it."""
    _seed(item.nodeid)


def pytest_runtest_teardown(item):
    """Give memory back: a worker that tested large networks kept 10 GB of it."""
    if item.get_closest_marker("slow") is None or _resident() < _MUCH:
        return
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)


def _resident():
    """Bytes of memory that this process holds; all where the system does not say."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return _MUCH


def _seed(name):
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(zlib.crc32(name.encode()))


@pytest.fixture(autouse=True)
def _custom_ops(request):
    """Skip tests marked `ops` without a C++ compiler; in CI there must be one."""
    if request.node.get_closest_marker("ops") is None or os.environ.get("CI"):
        return
    from hyperseg_tf.ops import fused

    if fused.unavailable():
        pytest.skip(fused.unavailable())
