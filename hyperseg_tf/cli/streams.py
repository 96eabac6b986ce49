"""The streams of a command, which may be closed, full or know few letters."""

import os
import sys
from contextlib import suppress


def prepare() -> None:
    """Have a stdout and a stderr that take any text; one that is closed, nowhere."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))
        # The name of a file may hold bytes that are no text.
        with suppress(AttributeError):
            getattr(sys, name).reconfigure(errors="backslashreplace")


def drop_stdout() -> None:
    """Let nothing more be written: Python would try, and fail, once more at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
