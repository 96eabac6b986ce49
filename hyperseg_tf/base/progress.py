"""A progress bar on stderr, so that stdout holds results alone."""

import sys
from collections.abc import Callable

Progress = Callable[[int, int], None]


def bar(what: str) -> Progress:
    """Return a function of (done, total); it draws only where stderr is a terminal."""

    def show(done: int, total: int) -> None:
        if not sys.stderr.isatty() or not total:
            return
        filled = 30 * done // total
        line = f"\r{what} [{'=' * filled}{' ' * (30 - filled)}] {done}/{total}"
        print(line, end="\n" if done == total else "", file=sys.stderr, flush=True)

    return show
