"""The signals that end a command, as an exception behind which everything is tidied.

SIGTERM is what schedulers, containers and `timeout` send, SIGHUP what is left of a
terminal that was closed. By themselves they end a process where it stands, with
half-written files. Python gives only Ctrl-C as an exception; a command asks for these.
"""

import functools
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)
)

# `timeout` and some schedulers send it to the process and to its group.
_ONE_SIGNAL_SECONDS = 2
_AGAIN_SECONDS = 0.05


class Stopped(KeyboardInterrupt):
    """One of `SIGNALS` came; caught wherever Ctrl-C is.

    Args:
        number: Of the signal.
    """

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextmanager
def stoppable() -> Iterator[None]:
    """Raise `Stopped` on a signal; afterwards all is as it was.

    A signal that is ignored, as by nohup, or that somebody else handles stays so, and
    so do all of them elsewhere than in the main thread.
    """
    if not in_main():
        yield
        return
    handler, hook = _Raise(), sys.unraisablehook
    taken = [s for s in SIGNALS if signal.getsignal(s) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, handler)
    sys.unraisablehook = functools.partial(_send_again, handler, hook)
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def raising() -> list[int]:
    """The signals that now raise KeyboardInterrupt: those that may be put off."""
    if not in_main():
        return []
    handlers = {s: signal.getsignal(s) for s in (signal.SIGINT, *SIGNALS)}
    return [
        number
        for number, handler in handlers.items()
        if handler is signal.default_int_handler or isinstance(handler, _Raise)
    ]


def interrupt(number: int) -> KeyboardInterrupt:
    """The exception of a signal."""
    return KeyboardInterrupt() if number == signal.SIGINT else Stopped(number)


def leave_dead_terminal() -> None:
    """Write to nowhere what would be written to a terminal that is gone."""
    for descriptor in (1, 2):
        try:
            os.write(descriptor, b"")
        except OSError:
            with suppress(OSError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, descriptor)
                os.close(nowhere)


def in_main() -> bool:
    """Whether this is the main thread, the only one in which Python has signals."""
    return threading.current_thread() is threading.main_thread()


def _send_again(handler, hook, lost):
    """Python drops an exception that is raised in a finalizer or while it collects."""
    if not isinstance(lost.exc_value, KeyboardInterrupt):
        hook(lost)
        return
    handler.last_s = -float("inf")
    number = getattr(lost.exc_value, "number", signal.SIGINT)
    # Not from here, where it would be dropped, too.
    again = threading.Timer(_AGAIN_SECONDS, os.kill, (os.getpid(), number))
    again.daemon = True
    again.start()


class _Raise:
    def __init__(self):
        self.last_s = -float("inf")

    def __call__(self, number, frame):
        leave_dead_terminal()
        now_s = time.monotonic()
        again, self.last_s = now_s - self.last_s < _ONE_SIGNAL_SECONDS, now_s
        if not again:  # the second would disturb the tidying after the first
            raise Stopped(number)
