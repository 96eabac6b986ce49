"""One thing that a stranger may bring, and what has to become of it."""

import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

# Beside a case's file: a folder that nothing may open a file in.
OUTSIDE = "outside"

REFUSED, TAKEN, EITHER = "refused", "taken", "either"


@dataclass(frozen=True)
class Case:
    """A file to be written and read.

    Attributes:
        name: Unique within its kind.
        write: Makes the file at a path.
        outcome: `REFUSED` by one line that names it, `TAKEN` as if it were sound, or
            `EITHER`, where only the process has to survive.
    """

    name: str
    write: Callable[[Path], None]
    outcome: str = REFUSED


def of_bytes(content: bytes) -> Callable[[Path], None]:
    """Writes these bytes."""
    return lambda path: path.write_bytes(content)


def not_files() -> Iterator[Case]:
    """What else may stand where a file is expected."""

    def listening(path: Path):
        with socket.socket(socket.AF_UNIX) as server:
            # The name of a socket is short; its folder may not be.
            here = os.open(path.parent, os.O_RDONLY)
            try:
                server.bind(f"/proc/self/fd/{here}/{path.name}")
            finally:
                os.close(here)

    for name, write in {
        "folder": lambda path: path.mkdir(),
        "pipe": lambda path: os.mkfifo(path),
        "socket": listening,
        "loop of links": lambda path: path.symlink_to(path),
        "link to nothing": lambda path: path.symlink_to(path.parent / "none"),
        "link to a device": lambda path: path.symlink_to("/dev/zero"),
        "nothing": lambda path: None,
    }.items():
        yield Case(f"no file: {name}", write)
