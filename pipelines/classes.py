"""The classes of a dataset: names, colours, and what the label files write for them.

A class is known by its position here: that is the value the network is trained
on, whatever number or colour stands for it in the label files.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np

from hyperseg_tf.base.constants import VOID
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.protocols import CAMVID_CLASSES

Colour = tuple[int, int, int]

# What `index_table` and `colour_table` answer for a value no class stands for.
UNKNOWN = 254

COLUMNS = ("index", "name", "red", "green", "blue")


@dataclass(frozen=True)
class ClassTable:
    """Classes 0..N-1 and their encoding in label files.

    Args:
        names: One name per class, all different; at most 254.
        colours: One (red, green, blue) of 0..255 per class, all different.
        void_values: Values 0..255 that mean void in index masks; 255 always does.
        void_colours: Colours that mean void in colour masks.
        values: Value of each class in index masks; 0..N-1 where left out.

    Raises:
        ValueError: a rule above is broken.
    """

    names: tuple[str, ...]
    colours: tuple[Colour, ...]
    void_values: tuple[int, ...] = (VOID,)
    void_colours: tuple[Colour, ...] = ()
    values: tuple[int, ...] = ()

    def __post_init__(self):
        def freeze(name, value):
            object.__setattr__(self, name, tuple(value))

        freeze("names", (str(name) for name in self.names))
        freeze("colours", (_colour(colour) for colour in self.colours))
        freeze("void_values", (int(value) for value in self.void_values))
        freeze("void_colours", (_colour(colour) for colour in self.void_colours))
        freeze("values", (int(v) for v in self.values or range(len(self.names))))
        if not 1 <= len(self.names) <= UNKNOWN:
            raise ValueError(
                f"a class table holds 1 to {UNKNOWN} classes: got {len(self.names)}; "
                "give every class a name and a colour."
            )
        if not len(self.names) == len(self.colours) == len(self.values):
            raise ValueError(
                f"every class has one colour and one value: got {len(self.names)} "
                f"names, {len(self.colours)} colours, {len(self.values)} values; "
                "make the three equally long."
            )
        for what, entries in (
            ("name", self.names),
            ("colour", self.colours + self.void_colours),
            ("value", self.values + self.void_values),
        ):
            repeated = _first_repeated(entries)
            if repeated is not None:
                raise ValueError(
                    f"every {what} stands for one class or for void: got {repeated!r} "
                    "twice; change one of them."
                )
        for value in self.values + self.void_values:
            if not 0 <= value <= 255 or (value == VOID and value in self.values):
                raise ValueError(
                    f"label values are 0..254, and 255 is void: got {value}; "
                    "renumber that class."
                )

    def __len__(self) -> int:
        return len(self.names)

    def index_table(self) -> np.ndarray:
        """Class of every value of an index mask: (256,) uint8, VOID or UNKNOWN too."""
        table = np.full(256, UNKNOWN, np.uint8)
        table[list(self.values)] = np.arange(len(self))
        table[[VOID, *self.void_values]] = VOID
        return table

    def colour_table(self) -> np.ndarray:
        """Class of every colour: (2**24,) uint8 at red * 65536 + green * 256 + blue."""
        table = np.full(2**24, UNKNOWN, np.uint8)
        for index, (red, green, blue) in enumerate(self.colours):
            table[red << 16 | green << 8 | blue] = index
        for red, green, blue in self.void_colours:
            table[red << 16 | green << 8 | blue] = VOID
        return table

    @classmethod
    def read(cls, path: str | Path) -> "ClassTable":
        """Read a class file: `index,name,red,green,blue`, one class per line.

        `index` is the value of the class in index masks; classes are numbered in
        its order. Lines named `void` give a value, a colour or both that are
        ignored in loss and metrics. Empty lines and lines starting with `#` do
        not count.

        Raises:
            UserError: the file is missing or a line breaks a rule.
        """
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise UserError(
                f"{path}: a folder of images needs a class file: {error.strerror}; "
                f"write one with the header {','.join(COLUMNS)} and a line per class."
            ) from error
        except UnicodeDecodeError as error:
            raise UserError(
                f"{path}: the class file is UTF-8 text: byte {error.start} is not; "
                "save it as UTF-8."
            ) from error
        rows = _rows(path, text)
        classes = sorted(
            (row for row in rows if not row.is_void), key=lambda r: r.index
        )
        voids = [row for row in rows if row.is_void]
        if not classes:
            raise UserError(
                f"{path}: a class file names at least one class: found none; "
                f"add a line per class under {','.join(COLUMNS)}."
            )
        try:
            return cls(
                names=tuple(row.name for row in classes),
                colours=tuple(row.colour for row in classes),
                void_values=_without_none(row.index for row in voids) or (VOID,),
                void_colours=_without_none(row.colour for row in voids),
                values=tuple(row.index for row in classes),
            )
        except ValueError as error:
            raise UserError(f"{path}: {error}") from error

    def write(self, path: str | Path) -> None:
        """Write the class file that `read` turns into this table."""
        rows = [
            (value, name, *colour)
            for value, name, colour in zip(
                self.values, self.names, self.colours, strict=True
            )
        ]
        rows += [
            ("" if value is None else value, "void", *(colour or ("", "", "")))
            for value, colour in zip_longest(self.void_values, self.void_colours)
        ]
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerows([COLUMNS, *rows])


@dataclass(frozen=True)
class _Row:
    line: int
    index: int | None
    name: str
    colour: Colour | None

    @property
    def is_void(self) -> bool:
        return self.name.lower() == "void"


def _rows(path: Path, text: str) -> list[_Row]:
    """The lines of a class file, each checked by itself and against those above."""

    def mistake(line: int, rule: str, found: str, remedy: str) -> UserError:
        return UserError(f"{path}, line {line}: {rule}: found {found}; {remedy}.")

    header_seen = False
    rows: list[_Row] = []
    for line, raw in enumerate(text.splitlines(), 1):
        if not raw.strip() or raw.lstrip().startswith("#"):
            continue
        cells = [cell.strip() for cell in next(csv.reader([raw]))]
        if not header_seen:
            if tuple(cell.lower() for cell in cells) != COLUMNS:
                raise mistake(
                    line,
                    f"a class file starts with the header {','.join(COLUMNS)}",
                    repr(raw[:60]),
                    "add it, with commas between the columns",
                )
            header_seen = True
            continue
        if len(cells) != len(COLUMNS):
            raise mistake(
                line,
                f"a line has {len(COLUMNS)} cells, {','.join(COLUMNS)}",
                f"{len(cells)} in {raw[:60]!r}",
                "fill in or remove cells",
            )
        name = cells[1]
        is_void = name.lower() == "void"
        numbers = [cells[0], *cells[2:]]
        no_colour = not any(numbers[1:])
        if not name:
            raise mistake(line, "every class has a name", repr(raw[:60]), "write one")
        values: list[int | None] = []
        for column, cell in zip(("index", *COLUMNS[2:]), numbers, strict=True):
            if is_void and not cell and (column == "index" or no_colour):
                values.append(None)
            elif cell.isascii() and cell.isdigit() and int(cell) <= 255:
                values.append(int(cell))
            else:
                raise mistake(
                    line, f"{column} is a whole number 0..255", repr(cell), "correct it"
                )
        index, red, green, blue = values
        colour = None if red is None else (red, green, blue)
        if index == VOID and not is_void:
            raise mistake(
                line, "255 is void in index masks", f"class {name!r}", "renumber it"
            )
        for row in rows:
            for what, ours, theirs in (
                ("name", name.lower(), row.name.lower()),
                ("index", index, row.index),
                ("colour", colour, row.colour),
            ):
                both_void = is_void and row.is_void
                if ours is not None and ours == theirs and not both_void:
                    raise mistake(
                        line,
                        f"every class has its own {what}",
                        f"{what} {ours!r} in line {row.line}, too",
                        "change one of them",
                    )
        rows.append(_Row(line, index, name, colour))
    return rows


def _colour(colour: Sequence[int]) -> Colour:
    channels = tuple(int(channel) for channel in colour)
    if len(channels) != 3 or not all(0 <= channel <= 255 for channel in channels):
        raise ValueError(
            f"a colour is red, green, blue of 0..255: got {tuple(colour)}; correct it."
        )
    return channels


def _first_repeated(entries: Sequence):
    seen = set()
    for entry in entries:
        if entry in seen:
            return entry
        seen.add(entry)
    return None


def _without_none(entries) -> tuple:
    return tuple(dict.fromkeys(entry for entry in entries if entry is not None))


# CamVid as the SegNet tutorial has it, in its colours.
CAMVID = ClassTable(
    names=CAMVID_CLASSES,
    colours=(
        (128, 128, 128),
        (128, 0, 0),
        (192, 192, 128),
        (128, 64, 128),
        (60, 40, 222),
        (128, 128, 0),
        (192, 128, 128),
        (64, 64, 128),
        (64, 0, 128),
        (64, 64, 0),
        (0, 128, 192),
    ),
    void_values=(11,),
    void_colours=((0, 0, 0),),
)
