"""Files that list classes, as people and tools write them, to rows.

Known by their names (`NAMES`): the project's own `classes.csv`, the tables of colours
of CamVid, the exports of CVAT and Roboflow, a name per line. Each row is checked by
itself and against those above; what the classes mean is `pipelines.classes`' matter.
"""

import codecs
import csv
import os
import re
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from hyperseg_tf.base.constants import VOID
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.regular_file import MAX_TEXT_BYTES, read_regular

Colour = tuple[int, int, int]

COLUMNS = ("index", "name", "red", "green", "blue")

# In the order in which they are looked for; the first decides, but see `find`.
NAMES = (
    "classes.csv",
    "class_dict.csv",
    "_classes.csv",
    "labelmap.txt",
    "label_colors.txt",
    "classes.txt",
    "labels.txt",
)

# What tools call the columns, in lower case and without blanks.
_COLUMN = {
    "index": "index id value pixelvalue label_id classid class_id".split(),
    "name": "name class classname class_name label label_name".split(),
    "red": ["red", "r"],
    "green": ["green", "g"],
    "blue": ["blue", "b"],
}
_COLUMN_OF = {word: column for column, words in _COLUMN.items() for word in words}

# Of a line of `labelmap.txt`, "name:red,green,blue:parts:actions".
_CVAT = re.compile(r"(?P<name>[^:]+):(?P<rgb>\d+,\d+,\d+):[^:]*:[^:]*$")
_COLOUR_NAME = re.compile(r"(\d+)\s+(\d+)\s+(\d+)\s+(\S.*)$")


@dataclass(frozen=True)
class Row:
    """A class, or a line named `void`: what files write for it."""

    line: int
    index: int | None
    name: str
    colour: Colour | None

    @property
    def is_void(self) -> bool:
        """Whether the line says what is ignored."""
        return self.name.lower() == "void"


def find(*folders: Path) -> Path | None:
    """The class file of a data set: the first of `NAMES` in the first folder with one.

    Raises:
        UserError: Several are there, and none of them is `classes.csv`.
    """
    for folder in folders:
        there = [name for name in NAMES if os.path.lexists(folder / name)]
        if len(there) > 1 and there[0] != NAMES[0]:
            raise UserError(
                f"{folder}: one file lists the classes: found {' and '.join(there)}; "
                f"keep one of them, or write {NAMES[0]}, which comes first."
            )
        if there:
            return folder / there[0]
    return None


def rows(path: Path) -> list[Row]:
    """The lines of a class file, each checked by itself and against those above.

    Raises:
        UserError: The file is missing or a line breaks a rule.
    """
    text = _text(path)
    if path.name == "labelmap.txt":
        found = _labelmap(path, text)
    elif path.name == "label_colors.txt":
        found = _label_colours(path, text)
    elif path.suffix.lower() == ".txt":
        found = _name_lines(text)
    else:
        found = _table(path, text)
    _check_repeated(path, found)
    return found


def spread_colours(count: int) -> list[Colour]:
    """`count` colours, all different: those of PASCAL VOC's palette, black first.

    The bits of the number go, three at a time, to the highest bits of the channels.
    """
    colours = []
    for number in range(count):
        channels = [0, 0, 0]
        for bit in range(8):
            for channel in range(3):
                channels[channel] |= (number >> (3 * bit + channel) & 1) << (7 - bit)
        colours.append(tuple(channels))
    return colours


def _text(path: Path) -> str:
    try:
        contents = read_regular(path, MAX_TEXT_BYTES)
    except OSError as error:
        raise UserError(
            f"{path}: a folder of images needs a class file: {error.strerror}; "
            f"write one with the header {','.join(COLUMNS)} and a line per class."
        ) from error
    utf16 = contents.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return contents.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: the class file is UTF-8 text: byte {error.start} is not; "
            "save it as UTF-8."
        ) from error


def _mistake(path: Path, line: int, rule: str, found: str, remedy: str) -> UserError:
    return UserError(f"{path}, line {line}: {rule}: found {found}; {remedy}.")


def _lines(text: str) -> list[tuple[int, str]]:
    """Numbered lines that are neither empty nor a comment."""
    return [
        (number, line)
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]


def _table(path: Path, text: str) -> list[Row]:
    lines = _lines(text)
    if not lines:
        return []
    (number, header), *others = lines
    separator = _separator(header)
    heads = _cells(header, separator)
    columns = [_COLUMN_OF.get(_plain(head)) for head in heads]
    while heads and not heads[-1]:
        heads.pop()
        columns.pop()
    if columns == [None] and len(heads) == 1 and _of_one_cell(lines, separator):
        return _name_lines(text)
    colours = [column for column in columns if column in COLUMNS[2:]]
    if (
        "name" not in columns
        or len(set(columns)) < len(columns)
        or None in columns
        or len(colours) not in (0, 3)
    ):
        raise _mistake(
            path,
            number,
            f"a class file starts with the header {','.join(COLUMNS)}",
            repr(header[:60]),
            "add it, with commas between the columns",
        )
    found = [
        _row(path, number, raw, _cells(raw, separator), columns, position)
        for position, (number, raw) in enumerate(others)
    ]
    _check_void(path, found)
    return found


def _of_one_cell(lines: list[tuple[int, str]], separator: str) -> bool:
    """Whether it is a plain list of names, without a header."""
    return all(len(_cells(line, separator)) == 1 for _, line in lines)


def _check_void(path: Path, found: list[Row]) -> None:
    """255 is void, unless an option says what else it is."""
    classes = [row for row in found if not row.is_void]
    for row in classes:
        if row.index == VOID:
            rest = sorted(other.index for other in classes if other is not row)
            free = next(value for value in range(256) if value not in rest)
            pairs = ",".join([*(f"{value}={value}" for value in rest), f"255={free}"])
            raise _mistake(
                path,
                row.line,
                "255 is void in index masks",
                f"class {row.name!r}",
                f"write void for its name if it is ignored; or give it the index "
                f"{free} and read the labels so: --read-labels {pairs}",
            )


def _row(
    path: Path,
    line: int,
    raw: str,
    cells: list[str],
    columns: list[str],
    position: int,
) -> Row:
    while len(cells) > len(columns) and not cells[-1]:
        cells.pop()
    if len(cells) != len(columns):
        raise _mistake(
            path,
            line,
            f"a line has {len(columns)} cells, {','.join(columns)}",
            f"{len(cells)} in {raw[:60]!r}",
            "fill in or remove cells",
        )
    cell_of = dict(zip(columns, cells, strict=True))
    name = cell_of["name"]
    is_void = name.lower() == "void"
    if not name:
        raise _mistake(
            path, line, "every class has a name", repr(raw[:60]), "write one"
        )
    if "index" not in cell_of:
        # A table of colours: classes count from 0 in its order, void has no value.
        cell_of["index"] = "" if is_void else str(position)
    no_colour = not any(cell_of.get(column) for column in COLUMNS[2:])
    colourless = "red" not in cell_of
    numbers: list[int | None] = []
    for column in ("index", *COLUMNS[2:]):
        cell = cell_of.get(column, "")
        may_lack = is_void and (column == "index" or no_colour)
        if not cell and (may_lack or (colourless and column != "index")):
            numbers.append(None)
        elif cell.isascii() and cell.isdigit() and int(cell) <= 255:
            numbers.append(int(cell))
        else:
            raise _mistake(
                path,
                line,
                f"{column} is a whole number 0..255",
                repr(cell),
                "correct it",
            )
    index, red, green, blue = numbers
    return Row(line, index, name, None if red is None else (red, green, blue))


def _labelmap(path: Path, text: str) -> list[Row]:
    """CVAT's: `background` in black is a class like the others there."""
    found = []
    for position, (line, raw) in enumerate(_lines(text)):
        match = _CVAT.match(raw.strip())
        if match is None:
            raise _mistake(
                path,
                line,
                "a line of labelmap.txt is `name:red,green,blue:parts:actions`",
                repr(raw[:60]),
                "correct it",
            )
        colour = _colour(path, line, match["rgb"].split(","))
        found.append(Row(line, position, match["name"].strip(), colour))
    return found


def _label_colours(path: Path, text: str) -> list[Row]:
    found = []
    for line, raw in _lines(text):
        match = _COLOUR_NAME.match(raw.strip())
        if match is None:
            raise _mistake(
                path,
                line,
                "a line of label_colors.txt is `red green blue name`",
                repr(raw[:60]),
                "correct it",
            )
        *channels, name = match.groups()
        index = None if name.lower() == "void" else sum(not r.is_void for r in found)
        found.append(Row(line, index, name, _colour(path, line, channels)))
    return found


def _colour(path: Path, line: int, channels: list[str]) -> Colour:
    colour = tuple(int(channel) for channel in channels)
    if max(colour) > 255:
        raise _mistake(
            path, line, "a colour is of 0..255", ",".join(channels), "correct it"
        )
    return colour


def _name_lines(text: str) -> list[Row]:
    return [
        Row(line, position, raw.strip(), None)
        for position, (line, raw) in enumerate(_lines(text))
    ]


def _check_repeated(path: Path, found: list[Row]) -> None:
    for i, row in enumerate(found):
        for other in found[:i]:
            for what, ours, theirs in (
                ("name", row.name.lower(), other.name.lower()),
                ("index", row.index, other.index),
                ("colour", row.colour, other.colour),
            ):
                both_void = row.is_void and other.is_void
                if ours is not None and ours == theirs and not both_void:
                    raise _mistake(
                        path,
                        row.line,
                        f"every class has its own {what}",
                        f"{what} {ours!r} in line {other.line}, too",
                        "change one of them",
                    )


def _separator(header: str) -> str:
    """Of comma, semicolon and tab the one that the header has most of."""
    return max(",;\t", key=header.count)


def _cells(raw: str, separator: str) -> list[str]:
    reader = csv.reader(StringIO(raw), delimiter=separator, skipinitialspace=True)
    return [cell.strip() for cell in next(reader)]


def _plain(head: str) -> str:
    return head.lower().replace(" ", "")
