"""Files and folders that appear whole or not at all.

The temporary name lies in the same folder as the target, because a rename is
atomic only within one file system.
"""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.os_errors import behind


@contextmanager
def atomic_file(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path to write to; it becomes `path` on success.

    The temporary name keeps the suffix of `path`, so that writers that choose
    a format by name still do. After an error `path` is what it was before.

    Raises:
        OSError: The system's, with `path` as its file, however a library worded it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}{path.suffix}")
    try:
        with _naming(path, temporary):
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
        OSError: As of `atomic_file`.
    """
    path = Path(path)
    check_target(path, overwrite)
    path.parent.mkdir(parents=True, exist_ok=True)
    mark = uuid.uuid4().hex[:8]
    temporary = path.with_name(f".{path.name}.{mark}")
    old = path.with_name(f".{path.name}.{mark}.old")
    temporary.mkdir()
    try:
        with _naming(path, temporary):
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


def try_output(path: str | os.PathLike | None, folder: bool = False) -> None:
    """Find out, before the work, whether something can be written at `path`.

    A file is made beside it and removed again, and so are folders that are missing.

    Args:
        path: None and "-" are no files.
        folder: Whether a folder is written there, not a file.

    Raises:
        UserError: It cannot; the message is the system's.
    """
    if path is None or str(path) == "-":
        return
    path = Path(path)
    # Not methods of Path, which raise for a name that is too long.
    if os.path.isdir(path) and not folder:
        raise UserError(f"the output is a file: {path} is a folder; name a file.")
    if os.path.isfile(path) and folder:
        raise UserError(f"the output is a folder: {path} is a file; name another path.")
    made: list[Path] = []
    try:
        for parent in reversed([path.parent, *path.parent.parents]):
            if not parent.exists():
                parent.mkdir()
                made.append(parent)
        trial = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}{path.suffix}")
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise UserError(
            f"the output can be written: {path}: {error.strerror}; name another path "
            "or change its permissions."
        ) from None
    finally:
        for parent in reversed(made):
            with suppress(OSError):
                parent.rmdir()


@contextmanager
def _naming(path: Path, temporary: Path) -> Iterator[None]:
    """Let errors of the system say which file was to be written."""
    try:
        yield
    except Exception as error:
        found = behind(error)
        if found is None:
            raise
        found.strerror = found.strerror or str(found) or type(found).__name__
        name = found.filename if isinstance(found.filename, str | bytes) else path
        found.filename = os.fsdecode(name).replace(str(temporary), str(path))
        if found is error:
            raise
        raise found from error


def check_target(path: Path, overwrite: bool) -> None:
    """Raise `UserError` where a folder `path` may not be written."""
    if path.is_file():
        raise UserError(f"the output is a folder: {path} is a file; name another path.")
    if not overwrite and path.is_dir() and any(path.iterdir()):
        raise UserError(
            f"an existing folder is not overwritten: {path} is not empty; name "
            "another path or add --overwrite (overwrite=True)."
        )


def check_file_target(path: Path, overwrite: bool) -> None:
    """Raise `UserError` where a file `path` may not be written."""
    if path.is_dir() or (path.exists() and not overwrite):
        raise UserError(
            f"an existing file is not overwritten: {path} exists; name another path or "
            "add --overwrite (overwrite=True)."
        )
