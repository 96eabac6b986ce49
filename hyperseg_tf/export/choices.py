"""The formats and precisions that a comparison is of, as a user names them."""

from collections.abc import Sequence
from typing import NamedTuple

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.export.formats import FORMATS
from hyperseg_tf.export.options import QUANTIZED

ALL = "all"


class Choice(NamedTuple):
    """One export.

    Attributes:
        format: One of `FORMATS`.
        precision: One of the format's.
    """

    format: str
    precision: str

    @property
    def quantized(self) -> bool:
        """Whether it takes ranges from pictures."""
        return self.precision in QUANTIZED


def choices(formats: str | Sequence[str]) -> list[Choice]:
    """Read "all", "tflite,onnx:int8", or a sequence of such names; none twice.

    Raises:
        UserError: There is no such format or precision, or nothing is named.
    """
    if formats == ALL:
        return [
            Choice(one.name, precision)
            for one in FORMATS.values()
            for precision in one.precisions
        ]
    names = formats.split(",") if isinstance(formats, str) else formats
    if not names:
        raise UserError(f"formats are {ALL!r} or some of {_known()}: got none.")
    return list(dict.fromkeys(map(_choice, names)))


def _choice(name: str) -> Choice:
    format, colon, precision = name.strip().partition(":")
    known = FORMATS[format].precisions if format in FORMATS else ()
    if not colon and known:
        precision = known[0]
    if precision not in known:
        raise UserError(f"formats are {ALL!r} or some of {_known()}: got {name!r}.")
    return Choice(format, precision)


def _known() -> str:
    return ", ".join(
        f"{one.name}[:{'|'.join(one.precisions)}]" for one in FORMATS.values()
    )
