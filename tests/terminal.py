"""A stderr that says it is a terminal, and what a reader of it would see."""

import io
from contextlib import redirect_stderr


class Terminal(io.StringIO):
    """Text as written; `lines` is what is left after the carriage returns."""

    def isatty(self):
        return True

    @property
    def lines(self) -> list[str]:
        """The screen, line by line; spaces at the end are dropped."""
        screen = []
        for written in self.getvalue().split("\n"):
            line = ""
            for text in written.split("\r"):
                line = text + line[len(text) :]
            screen.append(line.rstrip())
        return screen


def terminal():
    """Context in which stderr is a `Terminal`, which it yields.

    In the test itself: pytest puts its own stderr back after a fixture.
    """
    return redirect_stderr(Terminal())
