"""Files that are small and promise much, and names that lead to no file."""

import os
import struct
import zlib

from tests.hostile import pictures
from tests.hostile.case import not_files


def png(height, width, rows=b""):
    """A PNG whose header says this size, whatever the pixels."""
    return pictures.png(width, height, 8, 2, zlib.compress(rows))


def tiff(*tags, pixels=b""):
    """A grey 10x10 TIFF, deflated; `tags` are (tag, value) beside the usual ones."""
    data = zlib.compress(pixels)
    tags = [(256, 10), (257, 10), (258, 8), (259, 8), (262, 1), (277, 1), *tags]
    tags += [(325, len(data))]
    start = 8 + 2 + 12 * (len(tags) + 1) + 4
    entries = b"".join(
        struct.pack("<HHII", tag, 4, 1, value)
        for tag, value in sorted([*tags, (324, start)], key=lambda entry: entry[0])
    )
    head = b"II*\0" + struct.pack("<IH", 8, len(tags) + 1)
    return head + entries + bytes(4) + data


# What a message says of each kind of `not_files`.
_SAID = {
    "pipe": "a FIFO",
    "socket": "a socket",
    "loop of links": "symbolic links",
    "link to a device": "a device",
    "link to nothing": "no such file",
}


def strange_entries(folder):
    """Names of pictures that are no files, and what is said of each.

    Links to the folder itself are there, too, and lead to nothing new.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for case in not_files():
        kind = case.name.removeprefix("no file: ")
        if kind in _SAID:
            case.write(folder / f"{kind}.png")
    for name in ("self.png", "again"):
        os.symlink(folder, folder / name)
    return {f"{kind}.png": said for kind, said in _SAID.items()}
