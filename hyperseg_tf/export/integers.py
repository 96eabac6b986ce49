"""An export in integers that keeps its score: which of its layers stay in float.

Where all layers in integers are beyond the gate's bounds, each is ranked by what it
loses alone; of that list as few of the first as suffice stay in float.
"""

import tempfile
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from hyperseg_tf.base.progress import bar, say
from hyperseg_tf.export import calibration, gate
from hyperseg_tf.export.graph import ServingGraph
from hyperseg_tf.export.runtime import Runtime, opened

# Batches that layers are ranked on.
_BATCHES = 4


class Quantizer(Protocol):
    """A network whose ranges of values are known.

    Attributes:
        layers: Names of its convolutions, each of them once, in its order.
    """

    layers: tuple[str, ...]

    def made(self, kept: Collection[str] = ()) -> Any:
        """The network in integers, but for the layers `kept`."""

    def save(self, made: Any, folder: Path) -> None:
        """Write what `made` returned as the format's runtime opens it."""


def kept_in_float(graph: ServingGraph, quantizer: Quantizer) -> tuple[str, ...]:
    """Layers that stay in float for the gate to hold, what loses most first.

    All of them where nothing suffices; the gate then says by how much.
    """

    def holds(kept: Sequence[str]) -> bool:
        with tempfile.TemporaryDirectory() as scratch:
            quantizer.save(quantizer.made(kept), Path(scratch))
            return gate.check(graph, Path(scratch)).holds

    if holds(()):
        return ()
    say(
        f"all {len(quantizer.layers)} layers in integers are beyond the bounds; "
        "looking for those that lose most ..."
    )
    return fewest(ranked(graph, quantizer), holds)


def ranked(graph: ServingGraph, quantizer: Quantizer) -> list[str]:
    """All layers, the one first that changes the answers most when it is alone in
    integers."""
    count = _BATCHES * (graph.options.batch or 1)
    pictures = list(calibration.batches(graph.options, graph.model, count))

    def answers(kept: Collection[str]) -> np.ndarray:
        with tempfile.TemporaryDirectory() as scratch:
            quantizer.save(quantizer.made(kept), Path(scratch))
            with Runtime(*opened(graph.options.format, Path(scratch))) as runtime:
                return np.stack([runtime(images) for images in pictures])

    layers = quantizer.layers
    exact = answers(layers)
    progress, losses = bar("ranking layers"), {}
    for i, layer in enumerate(layers):
        found = answers([other for other in layers if other != layer])
        losses[layer] = _loss(found, exact)
        progress(i + 1, len(layers))
    return sorted(layers, key=losses.get, reverse=True)


def fewest(
    ranked: Sequence[str], holds: Callable[[Sequence[str]], bool]
) -> tuple[str, ...]:
    """As few of the first as suffice, found by doubling and halving; else all.

    One more is taken to be no worse.
    """
    short, enough = 0, 1
    while not holds(ranked[:enough]):
        if enough == len(ranked):
            return tuple(ranked)
        short, enough = enough, min(2 * enough, len(ranked))
    while enough - short > 1:
        middle = (short + enough) // 2
        if holds(ranked[:middle]):
            enough = middle
        else:
            short = middle
    return tuple(ranked[:enough])


def _loss(found: np.ndarray, exact: np.ndarray) -> float:
    """Mean difference of numbers, share of other classes or colours."""
    if found.dtype == np.uint8:
        return float((found != exact).mean())
    return float(np.abs(found - exact).mean())
