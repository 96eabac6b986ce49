"""What was typed for a path and is none: an address, a ~ that no shell spelled out."""

import os
import re

# A `Path` has lost a slash of an address.
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)


def no_path(name: str) -> str | None:
    """Say what it is and the way out: "is an address; ..."; None where it is a path."""
    if os.path.lexists(name):
        return None
    if _ADDRESS.match(name):
        return "is an address; download what is there and name that"
    if name.startswith("~"):
        whole = os.path.expanduser(name)
        there = "" if os.path.exists(whole) else ", where nothing is, either"
        return f"begins with ~, which only a shell spells out, as {whole}{there}"
    return None
