"""How a picture goes through the network: whole or in windows, once or often.

Data alone: `Segmenter` does it.
"""

from dataclasses import dataclass
from math import inf

from hyperseg_tf.base.pixels import MIN_SIDE

Flip = ("none", "mean", "max")

# Of a window that nobody chose, where the model's preset is made for no size.
DEFAULT_WINDOW = (1024, 1024)


@dataclass(frozen=True, kw_only=True)
class Passes:
    """What is done to a picture beside one pass as it is.

    Args:
        window: (height, width) of the part that the network sees at once; None for the
            whole picture, as long as it is not too large for that.
        overlap: Share of a window, 0..0.9, that it has in common with the next at
            least; there their logits fade from one to the other.
        scales: Factors of the size that the network sees; of several, the probabilities
            are averaged. In windows they enlarge or shrink each window.
        flip: "mean" averages with the probabilities of the mirrored picture; "max"
            takes the larger logit of the two, as the released code does.

    Raises:
        ValueError: A rule above is broken.
    """

    window: tuple[int, int] | None = None
    overlap: float = 0.25
    scales: tuple[float, ...] = (1.0,)
    flip: str = "none"

    def __post_init__(self) -> None:
        if self.window is not None and min(self.window) < MIN_SIDE:
            raise ValueError(
                f"a window has {MIN_SIDE} pixels to a side or more: got "
                f"{self.window[0]}x{self.window[1]} (height x width)."
            )
        if not 0 <= self.overlap <= 0.9:
            raise ValueError(
                f"overlap is a share of the window in 0..0.9: got {self.overlap}."
            )
        if not self.scales or not all(0 < scale < inf for scale in self.scales):
            raise ValueError(f"scales are positive, one at least: got {self.scales}.")
        if self.flip not in Flip:
            raise ValueError(f"flip is one of {', '.join(Flip)}: got {self.flip!r}.")

    @property
    def single(self) -> bool:
        """Whether the network sees the picture, or each window, once and as it is."""
        return tuple(self.scales) == (1,) and self.flip == "none"

    def __str__(self) -> str:
        """All but the defaults, as text; empty where there is nothing else."""
        parts = []
        if self.window is not None:
            height, width = self.window
            parts.append(f"windows of {height}x{width}, overlap {self.overlap:g}")
        if tuple(self.scales) != (1,):
            parts.append(f"scales {', '.join(f'{scale:g}' for scale in self.scales)}")
        if self.flip != "none":
            parts.append(f"flip {self.flip}")
        return "; ".join(parts)
