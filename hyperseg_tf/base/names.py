"""Names that people type: which one was meant, where there is none of that name."""

import difflib
from collections.abc import Iterable


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the name that was meant, or None where none is like it.

    Case and the difference of `-` and `_` do not count, and "lr" is short for
    "learning_rate".
    """
    plain = {_plain(known): known for known in names}
    wanted = _plain(name)
    short = [n for n in plain if wanted == "".join(w[:1] for w in n.split("_"))]
    near = short or difflib.get_close_matches(wanted, plain, n=1)
    return plain[near[0]] if near else None


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return "did you mean NAME? ", or nothing where none is like it; see `nearest`."""
    meant = nearest(name, names)
    return "" if meant is None else f"did you mean {meant}? "


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")
