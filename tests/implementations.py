"""The implementations of the dynamic convolution, for `parametrize`."""

import pytest

FUSED = pytest.param("fused", marks=pytest.mark.ops)
IMPLEMENTATIONS = ("einsum", "slices", "xla", FUSED)

# Where every case is compiled anew.
XLA_SLOW = pytest.param("xla", marks=pytest.mark.slow)
MANY_SIZES = ("einsum", "slices", XLA_SLOW, FUSED)
