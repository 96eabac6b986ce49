"""The digest beside a compiled library, by which its bytes are known again.

A library that was cut short or has rotted would end the process without a word when
it runs. The file has the form of sha256sum, so that `sha256sum -c` checks it, too.
"""

import hashlib
import os
from pathlib import Path

from hyperseg_tf.ops import trust

# Far above any library with kernels for all GPUs.
_MOST_BYTES = 2**30


class Damaged(Exception):
    """A library is not what was put there; the message says how it shows."""


def of(library: Path) -> Path:
    """Where the digest of a library is."""
    return library.with_suffix(".sha256")


def contents(library: Path) -> bytes:
    """The bytes of a library, and no others than its digest is of.

    Raises:
        FileNotFoundError: There is no library.
        Damaged: Its digest is of other bytes, or there is none.
        KernelsUnavailable: Others can write it, or it cannot be read.
    """
    # The library first: where one is replaced meanwhile, it is the digest that differs.
    found = trust.read(library, _MOST_BYTES)
    try:
        line = trust.read(of(library), len(_line(b"", library)))
    except FileNotFoundError:
        raise Damaged(f"there is no {of(library).name} beside it") from None
    if line != _line(found, library):
        raise Damaged(f"{of(library).name} is of other contents")
    return found


def put(made: Path, library: Path) -> None:
    """Move a new library to its place, its digest before it, both on the disk.

    A process that is killed in between leaves a library that is damaged or none.

    Args:
        made: On the same file system as `library`, in a folder of our own.
    """
    digest = made.with_name("digest")
    digest.write_bytes(_line(made.read_bytes(), library))
    for new, place in ((digest, of(library)), (made, library)):
        new.chmod(0o644)  # whatever the umask: others may read, nobody else may write
        _flush_to_disk(new)
        os.replace(new, place)
    _flush_to_disk(library.parent)


def _line(content: bytes, library: Path) -> bytes:
    digest = hashlib.sha256(content).hexdigest()
    return f"{digest}  {library.name}\n".encode()


def _flush_to_disk(path):
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
