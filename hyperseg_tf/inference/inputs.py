"""What an input that cannot be predicted seems to be, and what to do with it."""

import re
from collections.abc import Sequence
from pathlib import Path

from hyperseg_tf.base.typed_path import no_path

# Named, so that nobody thinks they were predicted.
OTHER_PICTURES = (".gif", ".heic", ".heif", ".avif", ".jp2", ".jxl", ".svg", ".dng")
VIDEOS = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg")

_SHOWN = 3


def absent(given: str) -> str:
    """One line for an input that is neither file nor folder.

    Args:
        given: As it was typed: a `Path` has lost a slash of an address.
    """
    rule = f"{given}: an input is a picture or a folder"
    scheme = re.match(r"([a-z][a-z0-9+.-]*)://", given, re.IGNORECASE)
    if scheme and scheme[1].lower() in ("http", "https", "ftp", "s3", "gs"):
        return f"{rule}: got an address; download it first, and name the file."
    if scheme or given.isdigit():
        return (
            f"{rule}: got a camera or a stream; save its pictures, as ffmpeg does, or "
            "call hyperseg_tf.predict for each from Python."
        )
    if given == "-":
        return f"{rule}: got -, and nothing is read from stdin; save it to a file."
    if re.search(r"[*?\[]", given):
        return (
            f"{rule}: no file has a name of this pattern; take it out of its quotes, "
            "so that the shell fills it in, or name the folder."
        )
    if other := no_path(given):
        return f"{rule}: it {other}."
    return f"{given}: no such file or folder; correct the path."


def no_picture(path: Path) -> str:
    """The way out for a file that is not of a known format."""
    if path.suffix.lower() in VIDEOS:
        return "save its pictures first: ffmpeg -i VIDEO pictures/%05d.png"
    return "replace, convert or leave it out"


def left_out(folder: str, names: Sequence[str]) -> str | None:
    """A line on the pictures and videos of a folder that are not looked at."""
    found = [n for n in names if n.lower().endswith(OTHER_PICTURES + VIDEOS)]
    if not found:
        return None
    shown = ", ".join(found[:_SHOWN]) + (", ..." if len(found) > _SHOWN else "")
    return f"{folder}: {len(found)} left out, whose kind is not read: {shown}"
