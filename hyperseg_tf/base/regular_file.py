"""Files that are files: what else a name may lead to is refused before it is read.

Opening a FIFO waits for whoever writes to it, a device never ends. What was opened is
looked at once more, so nothing can be put in its place in between.
"""

import errno
import io
import os
import stat
from typing import BinaryIO

# Larger files are refused; some decoders read all of a file before they look at it.
MAX_BYTES = 2**30
MAX_TEXT_BYTES = 2**26

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)

_KINDS = (
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def open_regular(path: str | os.PathLike, max_bytes: int = MAX_BYTES) -> BinaryIO:
    """Open a regular file for reading; links are followed.

    Raises:
        OSError: There is none, it is a folder, a FIFO, a socket or a device, or it is
            larger than `max_bytes`; `strerror` says which.
        ValueError: No path can have this name.
    """
    # A look before opening, too: some devices do something when they are opened.
    _check(os.stat(path), path, max_bytes)
    descriptor = os.open(path, _FLAGS)
    try:
        _check(os.fstat(descriptor), path, max_bytes)
        return open(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: str | os.PathLike, max_bytes: int = MAX_BYTES) -> bytes:
    """Read a regular file; errors are those of `open_regular`."""
    with open_regular(path, max_bytes) as file:
        return file.read()


def read_text(path: str | os.PathLike) -> str:
    """Read a text file, UTF-8 with or without a mark, line ends as they come.

    Raises:
        OSError, ValueError: As `open_regular`, for `MAX_TEXT_BYTES`.
        UnicodeDecodeError: It is something else.
    """
    with io.TextIOWrapper(open_regular(path, MAX_TEXT_BYTES), "utf-8-sig") as file:
        return file.read()


def _check(status: os.stat_result, path: str | os.PathLike, max_bytes: int) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(status.st_mode):
        kinds = (name for is_kind, name in _KINDS if is_kind(status.st_mode))
        kind = next(kinds, "something else")
        raise OSError(errno.EINVAL, f"{kind} and no regular file", str(path))
    if status.st_size > max_bytes:
        size = f"{status.st_size / 1e6:.0f} MB, more than {max_bytes / 1e6:.0f}"
        raise OSError(errno.EFBIG, size, str(path))
