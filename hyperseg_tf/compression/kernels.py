"""Which weights are pruned and clustered: kernels of matrix products.

Regular convolutions (backbone, context head, squeeze-and-excitation), dense layers and
the weight heads. Left alone: biases and batch normalizations, which are vectors, and
depthwise kernels, a few values for each channel that are all a channel knows of its
neighbourhood. `benchmarks.compression` prints the share of each kind.
"""

import math
from dataclasses import dataclass

import keras
from keras import layers

from hyperseg_tf.network.weight_head import WeightHead

_LAYERS = (layers.Conv2D, layers.Dense, WeightHead)


@dataclass(frozen=True)
class Kernel:
    """One kernel: the layer's name, its variable, and how many weights it has."""

    name: str
    variable: keras.Variable

    @property
    def size(self) -> int:
        """Number of weights."""
        return math.prod(self.variable.shape)


def kernels(model: keras.Model, smallest: int = 0) -> list[Kernel]:
    """Return the kernels of a built model, folded or not, in the order of its layers.

    Args:
        smallest: Kernels of fewer weights are left out.
    """
    found = []
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, _LAYERS):
            name = layer.kernel.path.removesuffix("/kernel")
            found.append(Kernel(name, layer.kernel))
    return [kernel for kernel in found if kernel.size >= smallest]
