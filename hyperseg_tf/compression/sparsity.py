"""How many weights of a model are zero, layer by layer."""

from dataclasses import asdict, dataclass
from typing import Any

import keras
import numpy as np

from hyperseg_tf.compression.kernels import kernels


@dataclass(frozen=True)
class LayerSparsity:
    """Zeros of one kernel.

    Attributes:
        name: Of the layer, as in the model.
        shape: Of the kernel.
        weights: Number of weights.
        zeros: How many of them are zero.
        values: How many values they have that differ.
    """

    name: str
    shape: tuple[int, ...]
    weights: int
    zeros: int
    values: int

    @property
    def sparsity(self) -> float:
        """Share of zeros, 0..1."""
        return self.zeros / self.weights


@dataclass(frozen=True)
class Sparsity:
    """Zeros of a model's kernels.

    Attributes:
        layers: Every kernel of a convolution, dense layer or weight head.
        parameters: Of the whole model, what is no kernel included.
        zeros: Of all these.
    """

    layers: tuple[LayerSparsity, ...]
    parameters: int
    zeros: int

    @property
    def of_kernels(self) -> float:
        """Share of zeros in all kernels together, 0..1; 0 without any."""
        weights = sum(layer.weights for layer in self.layers)
        return sum(layer.zeros for layer in self.layers) / max(1, weights)

    @property
    def of_model(self) -> float:
        """Share of zeros in all parameters, 0..1."""
        return self.zeros / max(1, self.parameters)

    def table(self) -> str:
        """A line per kernel, and the sums."""
        width = max(len("all parameters"), *(len(x.name) for x in self.layers))
        lines = [f"{'kernel':<{width}}  {'shape':>16}  {'weights':>9}  {'zero %':>6}"]
        for layer in self.layers:
            shape = "x".join(map(str, layer.shape))
            lines.append(
                f"{layer.name:<{width}}  {shape:>16}  {layer.weights:>9,}  "
                f"{100 * layer.sparsity:>6.2f}"
            )
        weights = sum(layer.weights for layer in self.layers)
        sums = (
            ("all kernels", weights, self.of_kernels),
            ("all parameters", self.parameters, self.of_model),
        )
        for name, count, share in sums:
            lines.append(f"{name:<{width}}  {'':>16}  {count:>9,}  {100 * share:>6.2f}")
        return "\n".join(lines)

    def as_data(self) -> dict[str, Any]:
        """Everything as JSON-able data."""
        return {
            "of_kernels": self.of_kernels,
            "of_model": self.of_model,
            "parameters": self.parameters,
            "zeros": self.zeros,
            "layers": [
                {**asdict(x), "shape": list(x.shape), "sparsity": x.sparsity}
                for x in self.layers
            ],
        }


def sparsity(model: keras.Model) -> Sparsity:
    """Count the zeros of a built model; -0.0 is one."""
    found = []
    for kernel in kernels(model):
        values = keras.ops.convert_to_numpy(kernel.variable)
        found.append(
            LayerSparsity(
                name=kernel.name,
                shape=tuple(values.shape),
                weights=values.size,
                zeros=int(np.sum(values == 0)),
                values=len(np.unique(values)),
            )
        )
    arrays = model.get_weights()
    return Sparsity(
        layers=tuple(found),
        parameters=sum(array.size for array in arrays),
        zeros=sum(int(np.sum(array == 0)) for array in arrays),
    )
