"""What a command answers to the shell."""

from signal import SIGINT

# The user can mend it; one line on stderr says how.
FAILED = 2


def interrupted(error: KeyboardInterrupt) -> int:
    """What a shell reports for a program ended by the signal: 130 for Ctrl-C, SIGTERM
    143, SIGHUP 129."""
    return 128 + getattr(error, "number", SIGINT)
