"""How label files are to be read where they do not say what the class file says.

A `LabelReading` changes the table that values and colours are looked up in, once, so it
costs nothing in training, and no file is rewritten. As text, `0=0,255=1`, `first=1`,
`nearest` or `bgr`, it is the option `--read-labels` of the commands that read labels.
"""

from dataclasses import dataclass

import numpy as np

from hyperseg_tf.base.constants import VOID

# What tables answer for a value or a colour that no class stands for.
UNKNOWN = 254

RULES = (
    "VALUE=VALUE (of the file = of the class file, or void), first=NUMBER, nearest, "
    "grey, bgr, others=void"
)


@dataclass(frozen=True)
class LabelReading:
    """What to do with values and colours before the class file is asked.

    Args:
        values: (value in the label files, value in the class file) each; the latter is
            255 for void. Where any is given, values without one are unknown but for
            255, void.
        first: Value that the classes count from: it means the class file's 0. What is
            below it is void.
        nearest: What no class stands for is the class of the nearest colour, or value.
        grey: Label files of three equal channels hold values, not colours.
        bgr: Red and blue of colours are swapped.
        others_void: What no class stands for is void.
    """

    values: tuple[tuple[int, int], ...] = ()
    first: int = 0
    nearest: bool = False
    grey: bool = False
    bgr: bool = False
    others_void: bool = False

    @classmethod
    def parse(cls, text: str) -> "LabelReading":
        """The reading that a text like `0=0,255=1,nearest` says; empty: as it is.

        Raises:
            ValueError: A part of it is none of `RULES`, or two exclude each other.
        """
        values: dict[int, int] = {}
        fields = {}
        for word in filter(None, (part.strip() for part in text.split(","))):
            name, equals, value = (part.strip() for part in word.partition("="))
            if word in ("nearest", "grey", "bgr"):
                fields[word] = True
            elif (name, value) == ("others", "void"):
                fields["others_void"] = True
            elif name == "first" and _is_value(value):
                fields["first"] = int(value)
            elif equals and _is_value(name) and (value == "void" or _is_value(value)):
                if int(name) in values:
                    raise ValueError(
                        f"labels gives every value one meaning: got {name} twice in "
                        f"{text!r}; take one out."
                    )
                values[int(name)] = VOID if value == "void" else int(value)
            else:
                raise ValueError(
                    f"labels is made of {RULES}, with commas between: got {word!r} in "
                    f"{text!r}; correct it."
                )
        both = {"values and first": values and fields.get("first")}
        both["nearest and others=void"] = fields.get("nearest") and (
            fields.get("others_void")
        )
        for what, given in both.items():
            if given:
                raise ValueError(
                    f"labels cannot have {what} together: got {text!r}; keep one."
                )
        return cls(tuple(values.items()), **fields)

    def __str__(self) -> str:
        """The text that `parse` reads."""
        words = [name for name in ("grey", "bgr") if getattr(self, name)]
        words += [f"{a}={'void' if b == VOID else b}" for a, b in self.values]
        words += [f"first={self.first}"] * bool(self.first)
        words += ["nearest"] * self.nearest + ["others=void"] * self.others_void
        return ",".join(words)

    def require_fit(self, encoding: str | None) -> None:
        """Raise `ValueError` where a rule would change nothing in files like these.

        Args:
            encoding: `index`, `colour`, or None where that is not known.
        """
        of_values = bool(self.values or self.first) and not self.grey
        if encoding == "colour" and of_values:
            raise ValueError(
                f"labels {str(self)!r} is about values, and the label files hold "
                "colours; add grey where their channels are equal."
            )
        if encoding == "index" and (self.grey or self.bgr):
            raise ValueError(
                f"labels {str(self)!r} is about three channels, and the label files "
                "have one; leave grey and bgr out."
            )

    def index_table(self, plain: np.ndarray) -> np.ndarray:
        """uint8 (256,): the class of every value; `plain` is that of the class file.

        Raises:
            ValueError: A value of `values` is none of the class file's.
        """
        table = plain.copy()
        if self.values or self.first:
            table[:] = UNKNOWN
            table[VOID] = VOID
        for value, meaning in self.values:
            if plain[meaning] == UNKNOWN:
                raise ValueError(
                    f"labels {str(self)!r} gives a meaning of the class file: it has "
                    f"no value {meaning}; write one of its values, or void."
                )
            table[value] = plain[meaning]
        if self.first:
            table[: self.first] = VOID
            table[self.first : VOID] = plain[: VOID - self.first]
        if self.nearest:
            _fill_values(table, VOID in dict(self.values))
        return self._without_others(table)

    def colour_table(self, plain: np.ndarray, values: np.ndarray) -> np.ndarray:
        """uint8 (2**24,): the class of every colour, red * 65536 + green * 256 + blue.

        Args:
            plain: That of the class file.
            values: What `index_table` answers.
        """
        if self.grey and self.nearest:
            # Every grey has a class by then, and the nearest grey is the mean.
            channels = np.arange(256)
            sums = channels[:, None, None] + channels[:, None] + channels
            return values[(sums.reshape(-1) + 1) // 3]
        if self.grey:
            table = np.full(2**24, UNKNOWN, np.uint8)
            table[np.arange(256) * 0x10101] = values
        elif self.bgr:
            table = plain.reshape(256, 256, 256).transpose(2, 1, 0).reshape(-1).copy()
        else:
            table = plain.copy()
        if self.nearest:
            _fill_colours(table)
        return self._without_others(table)

    def _without_others(self, table: np.ndarray) -> np.ndarray:
        if self.others_void:
            table[table == UNKNOWN] = VOID
        return table


def _is_value(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) <= VOID


def _fill_values(table: np.ndarray, with_last: bool) -> None:
    """The nearest known value's class; the lower of two. 255 counts if it is listed."""
    known = np.flatnonzero(table[: 256 if with_last else 255] != UNKNOWN)
    unknown = np.flatnonzero(table == UNKNOWN)
    if known.size:
        nearest = np.abs(unknown[:, None] - known[None]).argmin(axis=1)
        table[unknown] = table[known[nearest]]


def _fill_colours(table: np.ndarray) -> None:
    """The class of the nearest known colour, by the sum of squares over channels."""
    known = np.flatnonzero(table != UNKNOWN)
    # In slices of one red, which stay in the cache: 16 million colours of 20 classes
    # take a second.
    squares = np.arange(-255, 256, dtype=np.int32) ** 2
    channels = [(known >> shift) & 255 for shift in (16, 8, 0)]
    for red in range(256):
        best = np.full((256, 256), np.iinfo(np.int32).max, np.int32)
        answer = np.full((256, 256), UNKNOWN, np.uint8)
        for colour, r, g, b in zip(known, *channels, strict=True):
            away = squares[255 - r + red] + (
                squares[255 - g : 511 - g, None] + squares[None, 255 - b : 511 - b]
            )
            closer = away < best
            np.copyto(best, away, where=closer)
            answer[closer] = table[colour]
        part = table[red << 16 : (red + 1) << 16]
        unknown = part == UNKNOWN
        part[unknown] = answer.reshape(-1)[unknown]
