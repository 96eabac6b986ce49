"""What every test needs: none that wants the custom ops where they cannot be built."""

import os

import pytest

# Parts of the names of such tests and of their files.
_OF_THE_OPS = ("fused", "test_mobile", "test_stage")


@pytest.fixture(autouse=True)
def _custom_ops(request):
    """Skip tests of the ops without a C++ compiler; in CI there must be one."""
    wanted = any(name in request.node.nodeid for name in _OF_THE_OPS)
    if not wanted or os.environ.get("CI"):
        return
    from hyperseg_tf.ops import fused

    if fused.unavailable():
        pytest.skip(fused.unavailable())
