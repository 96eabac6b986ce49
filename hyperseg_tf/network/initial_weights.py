"""Who reads initial weights: the network asks here and knows no file itself.

`hyperseg_tf.convert` lies above the network, whose models it fills, so it cannot be
imported from here; it registers its reader when it is imported.
"""

from pathlib import Path
from typing import Protocol

from hyperseg_tf.presets import Preset


class Reader(Protocol):
    """Reads weights by the word or the file a user names."""

    def padding_of(self, source: str | Path, preset: Preset) -> str:
        """How the backbone must pad for the weights of a source."""

    def load_weights(self, model, source: str | Path) -> str:
        """Set a model's weights and return a sentence that names the source."""


_registered: list[Reader] = []


def register(reader: Reader) -> None:
    """Make `reader` the one that `HyperSeg.from_preset` asks."""
    _registered[:] = [reader]


def reader() -> Reader:
    """Return the registered reader.

    Raises:
        RuntimeError: Nothing is registered.
    """
    if not _registered:
        raise RuntimeError(
            "initial weights are read by hyperseg_tf.convert, which has not been "
            "imported: import it, or take HyperSeg from hyperseg_tf."
        )
    return _registered[0]
