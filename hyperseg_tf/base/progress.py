"""Progress on stderr, so that stdout holds results alone.

Bars are tqdm's. Whoever moves one only calls a function and cannot close it, so the
bars still drawn are known here: an error ends them before its message is printed.
"""

import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tqdm import tqdm

Progress = Callable[[int, int], None]

_drawn: "weakref.WeakSet[tqdm]" = weakref.WeakSet()


def bar(what: str) -> Progress:
    """Return a function of (done, total); it draws only where stderr is a terminal.

    The first call starts the bar and its clock, the one with `done == total` ends it.
    """
    drawn = None

    def show(done: int, total: int) -> None:
        nonlocal drawn
        if not total:
            return
        if drawn is None:
            drawn = draw(what, total, done)
        drawn.update(done - drawn.n)
        if done == total:
            drawn.close()
            drawn = None

    return show


def draw(what: str, total: int, done: int = 0, **options) -> tqdm:
    """Start a bar that `ending_bars` knows.

    Args:
        what: In front of the bar.
        total: Number of items.
        done: Items that were done before the clock starts.
        options: Of tqdm. Without `disable` it draws only on a terminal.
    """
    options = {"disable": None, "dynamic_ncols": True} | options
    drawn = tqdm(desc=what, total=total, initial=done, file=sys.stderr, **options)
    _drawn.add(drawn)
    return drawn


def say(text: str) -> None:
    """Print a line, above the bars that are being drawn.

    That nobody can read it is no reason to end what it tells of; nor is a signal whose
    handler says something while something else is being printed.
    """
    with suppress(OSError, RuntimeError):
        tqdm.write(text, file=sys.stderr)
        sys.stderr.flush()


@contextmanager
def ending_bars() -> Iterator[None]:
    """End the bars that an error or Ctrl-C leaves half drawn.

    What is printed after it begins on a line of its own.
    """
    try:
        yield
    finally:
        for drawn in list(_drawn):
            drawn.close()
        _drawn.clear()
