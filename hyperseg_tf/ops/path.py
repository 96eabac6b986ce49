"""How the dynamic convolutions of one place run: the answer of `ops.choice`.

A path is decided once, from one word; what runs then asks its fields and never the word
again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

from hyperseg_tf.ops import einsum, slices


def as_it_is(function: Callable) -> Callable:
    """Compile nothing."""
    return function


@dataclass(frozen=True, kw_only=True)
class Path:
    """How a level, or a single convolution, runs.

    Attributes:
        name: "einsum", "slices", "xla" or "fused".
        training: Statistics of the batch, and gradients of everything.
        steps: Module with `convolve`, `pointwise` and `depthwise`.
        compile: Wraps a function of tensors so that XLA compiles it; the identity
            where nothing is compiled, or everything already is.
        whole: Compile a level as one function. Else its data movement alone is
            compiled, and each step runs where it is fastest.
        portable: XLA compiles the data movement, which must then be slices.
        block: One op for a whole level (`ops.fused.block`), or None.
        conv: One op for a single convolution (`ops.fused.conv`), or None.
        stage: One op for batch normalization, ReLU6 and a convolution in training
            (`ops.fused.stage`), or None.
    """

    name: str
    training: bool = False
    steps: ModuleType = slices
    compile: Callable = as_it_is
    whole: bool = False
    portable: bool = False
    block: Callable | None = None
    conv: Callable | None = None
    stage: Callable | None = None


# The two that need nothing: no compiler, no kernels, no particular backend.
PLAIN = {
    (name, training): Path(name=name, training=training, steps=steps)
    for name, steps in (("einsum", einsum), ("slices", slices))
    for training in (False, True)
}
