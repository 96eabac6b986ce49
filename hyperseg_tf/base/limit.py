"""How large a picture may be, told from its header before a pixel is decoded.

Padded sides count: a picture of 12,000,000x1 is 64 times as much for the network.
"""

from dataclasses import dataclass

from hyperseg_tf.base.pixels import MIN_SIDE

# What a JPEG can have. Sums of sides within it do not overflow anywhere.
MAX_SIDE = 65_535


@dataclass(frozen=True)
class Limit:
    """The pixels that are decoded, or that the network sees, at once.

    Args:
        pixels: At most so many, each side rounded up to a multiple of `multiple`.
        multiple: What the network pads to, in pixels; 1 where nothing is padded.
        side: Neither side is longer.
    """

    pixels: int
    multiple: int = MIN_SIDE
    side: int = MAX_SIDE

    def padded(self, height, width):
        """Pixels after padding: int, or int64 tensors where these come in."""
        rows = -(-height // self.multiple) * self.multiple
        columns = -(-width // self.multiple) * self.multiple
        return rows * columns

    def holds(self, height: int, width: int) -> bool:
        """Whether a picture of this size may be decoded."""
        sides = max(height, width) <= self.side
        return sides and self.padded(height, width) <= self.pixels

    def __str__(self) -> str:
        padding = ""
        if self.multiple > 1:
            padding = f", sides padded to multiples of {self.multiple}"
        return f"{self.pixels:,} pixels{padding}, {self.side:,} to a side"
