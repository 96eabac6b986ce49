"""Files and folders that appear whole or not at all.

The temporary name lies in the same folder as the target, because a rename is
atomic only within one file system.
"""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hyperseg_tf.base.errors import UserError


@contextmanager
def atomic_file(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path to write to; it becomes `path` on success.

    The temporary name keeps the suffix of `path`, so that writers that choose
    a format by name still do. After an error `path` is what it was before.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | os.PathLike, overwrite: bool = False) -> Iterator[Path]:
    """Yield an empty folder to fill; it becomes `path` on success.

    Raises:
        UserError: `path` is a file, or a folder that is not empty and
            `overwrite` is False. With `overwrite` the old folder is removed
            only after the new one is complete.
    """
    path = Path(path)
    check_target(path, overwrite)
    path.parent.mkdir(parents=True, exist_ok=True)
    mark = uuid.uuid4().hex[:8]
    temporary = path.with_name(f".{path.name}.{mark}")
    old = path.with_name(f".{path.name}.{mark}.old")
    temporary.mkdir()
    try:
        yield temporary
        check_target(path, overwrite)
        if path.exists():
            os.rename(path, old)
        try:
            os.rename(temporary, path)
        except OSError:
            if old.exists():
                os.rename(old, path)
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if path.exists():
            shutil.rmtree(old, ignore_errors=True)


def check_target(path: Path, overwrite: bool) -> None:
    """Raise `UserError` where a folder `path` may not be written."""
    if path.is_file():
        raise UserError(f"the output is a folder: {path} is a file; name another path.")
    if not overwrite and path.is_dir() and any(path.iterdir()):
        raise UserError(
            f"an existing folder is not overwritten: {path} is not empty; name "
            "another path or add --overwrite (overwrite=True)."
        )
