"""The classes of a dataset: names, colours, and what the label files write for them.

A class is known by its position here: that is the value the network is trained
on, whatever number or colour stands for it in the label files.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

import numpy as np

from hyperseg_tf.base.constants import VOID
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.text import LONGEST_NAME, is_short_line, shortened
from hyperseg_tf.pipelines import class_file
from hyperseg_tf.pipelines.class_file import Colour, Row
from hyperseg_tf.pipelines.label_reading import UNKNOWN, LabelReading
from hyperseg_tf.visualise.distinct import distinct_colours


@dataclass(frozen=True)
class ClassTable:
    """Classes 0..N-1 and their encoding in label files.

    Args:
        names: One name per class, all different; at most 254.
        colours: One (red, green, blue) of 0..255 per class, all different.
        void_values: Values 0..255 that mean void in index masks; 255 always does.
        void_colours: Colours that mean void in colour masks.
        values: Value of each class in index masks; 0..N-1 where left out.
        rest_is_void: Whether values and colours of no class are void, too; they are
            a fault of the file else.
        reading: What to do with values and colours of label files first.

    Raises:
        ValueError: a rule above is broken.
    """

    names: tuple[str, ...]
    colours: tuple[Colour, ...]
    void_values: tuple[int, ...] = (VOID,)
    void_colours: tuple[Colour, ...] = ()
    values: tuple[int, ...] = ()
    rest_is_void: bool = False
    reading: LabelReading = LabelReading()

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
        for name in self.names:
            if not is_short_line(name):
                raise ValueError(
                    f"a class name is a text of 1 to {LONGEST_NAME} printable "
                    f"characters: got {shortened(name)}; shorten or correct it."
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

    @property
    def _rest(self) -> int:
        return VOID if self.rest_is_void else UNKNOWN

    def with_void_as_class(self) -> "ClassTable":
        """One more class, the last, named `void`; what is no class stays ignored.

        Of a table with `rest_is_void` only: void is the first of its colours, and the
        first of its values that is not 255.
        """
        value = next(value for value in self.void_values if value != VOID)
        return replace(
            self,
            names=(*self.names, "void"),
            colours=(*self.colours, self.void_colours[0]),
            void_values=tuple(v for v in self.void_values if v != value),
            void_colours=self.void_colours[1:],
            values=(*self.values, value),
        )

    def index_table(self) -> np.ndarray:
        """Class of every value of an index mask: (256,) uint8, VOID or UNKNOWN too."""
        table = np.full(256, self._rest, np.uint8)
        table[list(self.values)] = np.arange(len(self))
        table[[VOID, *self.void_values]] = VOID
        return self.reading.index_table(table)

    def colour_table(self) -> np.ndarray:
        """Class of every colour: (2**24,) uint8 at red * 65536 + green * 256 + blue."""
        table = np.full(2**24, self._rest, np.uint8)
        for index, (red, green, blue) in enumerate(self.colours):
            table[red << 16 | green << 8 | blue] = index
        for red, green, blue in self.void_colours:
            table[red << 16 | green << 8 | blue] = VOID
        return self.reading.colour_table(table, self.index_table())

    def file_values(self) -> tuple[int, ...]:
        """The value that stands for each class in index masks, as they are read.

        Raises:
            UserError: None does for one of them.
        """
        exact = replace(self, reading=replace(self.reading, nearest=False))
        table = exact.index_table()
        values = [np.flatnonzero(table == k) for k in range(len(self))]
        for name, found in zip(self.names, values, strict=True):
            if not found.size:
                raise UserError(
                    f"labels read by {str(self.reading)!r} have a value for every "
                    f"class: found none for {name}; give it one."
                )
        return tuple(int(found[0]) for found in values)

    @classmethod
    def read(cls, path: str | Path) -> "ClassTable":
        """Read a class file: `index,name,red,green,blue`, one class per line.

        `index` is the value of the class in index masks; classes are numbered in
        its order. Lines named `void` give a value, a colour or both that are
        ignored in loss and metrics. Empty lines and lines starting with `#` do
        not count. Commas, semicolons or tabs; without the index classes count from
        0, without colours they get some. The class files of other tools
        (`class_file.NAMES`) are known by their names.

        Raises:
            UserError: the file is missing or a line breaks a rule.
        """
        path = Path(path)
        rows = class_file.rows(path)
        classes = sorted(
            (row for row in rows if not row.is_void), key=lambda r: r.index
        )
        voids = [row for row in rows if row.is_void]
        if not classes:
            raise UserError(
                f"{path}: a class file names at least one class: found none; "
                f"add a line per class under {','.join(class_file.COLUMNS)}."
            )
        try:
            return cls(
                names=tuple(row.name for row in classes),
                colours=_colours(classes, voids),
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
            writer.writerows([class_file.COLUMNS, *rows])


def _colours(classes: Sequence[Row], voids: Sequence[Row]) -> tuple[Colour, ...]:
    """Colours of the classes; where a file has none, some that can be told apart."""
    if all(row.colour is not None for row in classes):
        return tuple(row.colour for row in classes)
    taken = [row.colour for row in (*classes, *voids) if row.colour is not None]
    lacking = sum(row.colour is None for row in classes)
    made = iter(distinct_colours(lacking, taken))
    return tuple(row.colour or next(made) for row in classes)


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
