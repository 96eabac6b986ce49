"""One thing that is so on this machine."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that is so on this machine.

    Attributes:
        topic: What it is about, in a word or two.
        says: What is so, in a line.
        advice: What to do about it; "" where there is nothing to do.
        fatal: Whether nothing can be trained or predicted before that is done.
    """

    topic: str
    says: str
    advice: str = ""
    fatal: bool = False
