"""What lies in a folder and below it, without what nobody put there on purpose.

File managers, archives and network drives leave files beside people's pictures. They
are left out, counted, and named once. Names are compared in Unicode's composed form: a
macOS archive writes the same umlaut in two ways.
"""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.pipelines.samples import Finding

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
LABEL_SUFFIXES = (".png", ".bmp", ".gif", ".npy", ".tif", ".tiff", ".jpg", ".jpeg")
# Pictures that nobody should believe to be in use only because they are there.
OTHER_PICTURES = (".bmp", ".gif", ".heic", ".jp2", ".tif", ".tiff", ".webp")

_LITTER = {
    "@eadir",
    "#recycle",
    "$recycle.bin",
    "__macosx",
    "__pycache__",
    "desktop.ini",
    "ehthumbs.db",
    "icon\r",
    "lost+found",
    "system volume information",
    "thumbs.db",
}
_LITTER_BEGINNINGS = (".", "~$", "synofile_thumb")
_LITTER_ENDS = (":zone.identifier", ".crdownload", ".part", ".tmp", "~")

# How many names a line shows.
_SHOWN = 3


@dataclass(frozen=True)
class Listing:
    """The files of a folder and of those in it.

    Attributes:
        folder: Where they lie.
        files: Their paths, sorted.
        litter: Names that were left out, with how many there are of each.
    """

    folder: Path
    files: tuple[Path, ...]
    litter: Counter

    @classmethod
    def of(cls, folder: Path) -> "Listing":
        """List a folder; links to folders are followed, each folder once.

        Raises:
            UserError: It, or one in it, cannot be listed.
        """
        files: list[Path] = []
        litter: Counter = Counter()
        _walk(folder, files, litter, set())
        return cls(folder, tuple(files), litter)

    def key(self, path: Path) -> str:
        """The name of a file in this folder: composed, without its suffix."""
        return key_in(self.folder, path)

    def suffixes(self) -> str:
        """What there is, in words: `12 .txt, 1 .npz`."""
        kinds = Counter(path.suffix.lower() or "without suffix" for path in self.files)
        shown = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(4))
        return shown or "nothing"

    def note(self, known: Iterable[str] = ()) -> tuple[str, ...]:
        """A line that names what is left out; nothing where there is nothing.

        Args:
            known: Suffixes of files that somebody looks at; the others are left out,
                too. None given: only litter is.
        """
        out = Counter(self.litter)
        known = {*known}
        others = (p for p in self.files if known and p.suffix.lower() not in known)
        out += Counter(f"*{p.suffix.lower()}" if p.suffix else p.name for p in others)
        if not out:
            return ()
        names = ", ".join(f"{name} ({n})" for name, n in out.most_common(6))
        more = len(out) - 6
        return (f"{self.folder}: left out: {names}{f', {more} more' * (more > 0)}",)


def key_in(folder: Path, path: Path) -> str:
    """The path below `folder`, composed, `/` between, without suffix."""
    inside = PurePosixPath(path.relative_to(folder).as_posix())
    return unicodedata.normalize("NFC", str(inside.with_suffix("")))


def is_litter(name: str) -> bool:
    """Whether a file or folder of this name is left by a program, not by people."""
    name = name.lower()
    return (
        name in _LITTER
        or name.startswith(_LITTER_BEGINNINGS)
        or name.endswith(_LITTER_ENDS)
    )


def entries(folder: Path) -> list[Path]:
    """What lies in a folder, sorted, without litter; nothing where it is none."""
    try:
        return sorted(p for p in folder.iterdir() if not is_litter(p.name))
    except OSError:
        return []


def folders(folder: Path) -> dict[str, Path]:
    """The folders in a folder, without litter, by their names in lower case."""
    return {p.name.lower(): p for p in entries(folder) if os.path.isdir(p)}


def together(
    folder: Path,
    sources: Sequence[Path],
    rule: str,
    found: str,
    remedy: str,
) -> list[Finding]:
    """One finding for all files with the same fault, at the folder where they lie."""
    if not sources:
        return []
    if len(sources) == 1:
        return [Finding(sources[0], rule, found, remedy)]
    return [Finding(folder, rule, f"{found}: {some(folder, sources)}", remedy)]


def some(folder: Path, sources: Iterable[Path]) -> str:
    """How many files, and the first of them by name."""
    sources = list(sources)
    names = ", ".join(os.path.relpath(path, folder) for path in sources[:_SHOWN])
    return f"{len(sources)} files ({names}{', ...' * (len(sources) > _SHOWN)})"


def _walk(folder: Path, files: list, litter: Counter, seen: set) -> None:
    try:
        status = os.stat(folder)
        found = sorted(folder.iterdir())
    except OSError as error:
        raise UserError(
            f"{folder}: a folder of a split can be listed: {error.strerror}; see to "
            "its permissions."
        ) from error
    if (status.st_dev, status.st_ino) in seen:
        return
    seen.add((status.st_dev, status.st_ino))
    for path in found:
        if is_litter(path.name):
            kind = "._*" if path.name.startswith("._") else path.name
            litter[kind] += 1
        elif os.path.isdir(path):
            _walk(path, files, litter, seen)
        else:
            files.append(path)
