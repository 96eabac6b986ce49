"""Reading what runs with our rights: files that nobody else can have written.

A folder is opened and looked at once, and its files are opened below that descriptor,
no link followed: what was looked at is what is read, whatever is renamed meanwhile.
"""

import contextlib
import errno
import os
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from hyperseg_tf.base.user_cache import CACHE
from hyperseg_tf.ops.compiler import KernelsUnavailable

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_ELSEWHERE = f"set {CACHE} to a folder of your own"


def read(path: Path, most_bytes: int) -> bytes:
    """The contents of a file.

    Args:
        path: Of a file in a folder that passes `opened`.
        most_bytes: What is longer is cut off one byte later.

    Raises:
        FileNotFoundError: There is no such file, or no such folder.
        KernelsUnavailable: Others can write it, it is a link or no file, or it cannot
            be read.
    """
    # Not blocking: a pipe must not be waited for.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with opened(path.parent) as folder:
        try:
            descriptor = os.open(path.name, flags, dir_fd=folder)
            try:
                _check(path, os.fstat(descriptor), stat.S_ISREG, "regular file")
                with open(descriptor, "rb", closefd=False) as file:
                    return file.read(most_bytes + 1)
            finally:
                os.close(descriptor)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise _unreadable(path, error) from error


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[int]:
    """A descriptor of a folder in which only this user, or root, can write.

    Raises:
        FileNotFoundError: There is none.
        KernelsUnavailable: Others can write there, or it cannot be read.
    """
    if os.name != "posix":
        raise KernelsUnavailable(
            f"the custom ops need a system whose files have owners: it is {os.name}."
        )
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unreadable(folder, error) from error
    try:
        _check(folder, os.fstat(descriptor), stat.S_ISDIR, "folder")
        yield descriptor
    finally:
        os.close(descriptor)


def _check(path, found, is_kind, kind):
    if not is_kind(found.st_mode):
        raise KernelsUnavailable(f"{path} must be a {kind}: it is none; delete it.")
    if found.st_uid not in (os.geteuid(), 0):
        raise KernelsUnavailable(
            "what is loaded must belong to its user, or to root: "
            f"{path} belongs to the user id {found.st_uid}; {_ELSEWHERE}."
        )
    if found.st_mode & _OTHERS_WRITE:
        # One for everybody, like /tmp, stays as it is.
        shared = found.st_mode & stat.S_ISVTX or found.st_uid != os.geteuid()
        mend = f"`chmod go-w {shlex.quote(str(path))}`, if nobody else has, or "
        raise KernelsUnavailable(
            "others must not be able to write what is loaded: "
            f"{path} has the mode {stat.S_IMODE(found.st_mode):o}; "
            f"{'' if shared else mend}{_ELSEWHERE}."
        )


def _unreadable(path, error) -> KernelsUnavailable:
    link = error.errno == errno.ELOOP  # what O_NOFOLLOW says
    reason = "it is a link" if link else error.strerror or str(error)
    remedy = "delete it" if link else f"make it readable, or {_ELSEWHERE}"
    return KernelsUnavailable(f"{path} cannot be read ({reason}); {remedy}.")
