"""The implementations of the dynamic convolution, for `parametrize`."""

import pytest

FUSED = pytest.param("fused", marks=pytest.mark.ops)
IMPLEMENTATIONS = ("einsum", "slices", "xla", FUSED)
