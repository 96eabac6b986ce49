"""How far an export may be from its model, by precision."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Bounds:
    """What the gate demands.

    Attributes:
        agreement: Least share of pixels with the model's class; pixels whose best
            classes are as close as rounding are left out.
        error: Largest difference of a logit, of the spread of all; None: no demand.
        miou: Largest loss of mIoU on labelled pictures, in percent points.
        rounding: Relative change of the pixels that stands for the rounding of this
            precision. Weights are computed and multiplied level by level, so some
            models magnify it: ten times what it does to the logits is allowed, too.
    """

    agreement: float
    error: float | None
    miou: float
    rounding: float
    by_score: bool = False

    def as_data(self) -> dict:
        """JSON-able."""
        return asdict(self)


_EXACT = Bounds(agreement=0.9999, error=1e-4, miou=0.1, rounding=1e-6)
# Ten times this is one rounding to 11 bits.
_HALF = Bounds(agreement=0.999, error=None, miou=0.1, rounding=2**-11 / 10)
# Of 8 bits the score counts; where nothing is labelled, agreement stands in for it.
_INTEGER = Bounds(agreement=0.97, error=None, miou=1.0, rounding=0.0, by_score=True)

_BOUNDS = {
    "float32": _EXACT,
    "float16": _HALF,
    "dynamic": _INTEGER,
    "int8": _INTEGER,
    "int16x8": _INTEGER,
}


def bounds_of(precision: str) -> Bounds:
    """The bounds of one of `formats.Format.precisions`."""
    return _BOUNDS[precision]
