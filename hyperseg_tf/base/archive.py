"""Members of a zip archive from a stranger, in bounded memory and disk space.

An archive says itself how large its members are, and a kilobyte can be made to say
gigabytes. What is read here is bounded by the size of the file and by the caller.
"""

import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hyperseg_tf.base.regular_file import open_regular

# A real member was stored, or packed by a tool of the user's; trained weights hardly
# shrink at all.
_MOST_EXPANSION = 16
_MOST_MEMBERS = 64
_MOST_BYTES = 2**32
_PIECE = 2**20


class ArchiveError(ValueError):
    """What is wrong with an archive, in words without its name."""


@contextmanager
def open_archive(path: str | os.PathLike) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive for reading.

    Raises:
        ArchiveError: It is no archive of a few members, or reading it inside of the
            context fails as that of a damaged one.
        OSError: It cannot be opened, or is no regular file.
    """
    with open_regular(path, _MOST_BYTES) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                names = archive.namelist()
                if len(names) > _MOST_MEMBERS or len(names) != len(set(names)):
                    raise ArchiveError(
                        f"it has {len(names)} members, {len(set(names))} names"
                    )
                yield archive
        except (
            # Encrypted, or packed in a way that is not known here.
            *(NotImplementedError, RuntimeError),
            *(zipfile.BadZipFile, zlib.error, EOFError),
        ) as error:
            raise ArchiveError(f"the archive is damaged: {error}") from error


def read_member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """Return a member of at most `limit` bytes.

    Raises:
        ArchiveError: There is none, or it is or claims to be larger.
    """
    _check(archive, name, limit)
    with archive.open(name) as member:
        return member.read()


def extract_member(
    archive: zipfile.ZipFile, name: str, to: Path, limit: int | None = None
) -> None:
    """Write a member to the new file `to`.

    Raises:
        ArchiveError: There is none, or it claims to be larger than `limit` or than
            files of its packed size ever are.
        OSError: `to` cannot be written.
    """
    _check(archive, name, limit)
    with archive.open(name) as member, to.open("xb") as file:
        while piece := member.read(_PIECE):
            file.write(piece)


def check_member(archive: zipfile.ZipFile, name: str) -> None:
    """Raise `ArchiveError` unless a member has all its bytes, by its checksum."""
    _check(archive, name, None)
    with archive.open(name) as member:
        while member.read(_PIECE):
            pass


def _check(archive, name, limit):
    try:
        info = archive.getinfo(name)
    except KeyError:
        raise ArchiveError(f"it has no {name}") from None
    # ZipFile reads no more than what a member claims.
    expansion = _MOST_EXPANSION * info.compress_size + _PIECE
    most = expansion if limit is None else min(limit, expansion)
    if info.file_size > most:
        raise ArchiveError(
            f"its {name} claims {info.file_size} bytes, of {info.compress_size} "
            f"packed ones; {most} are allowed"
        )
