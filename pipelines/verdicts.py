"""What `check` found out about sound samples, kept in the user's cache folder.

A verdict holds as long as the sample's files have the name, size and time of change
that they had, and everything else that decides about it (`fingerprint.context`: rules,
versions, classes, how labels are read) is the same. What has a finding is read again
every time: what mends it need not change a file. A cache that is lost, damaged or
cannot be written costs time and nothing else.
"""

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hyperseg_tf.base import user_cache
from hyperseg_tf.base.atomic import atomic_file
from hyperseg_tf.base.regular_file import read_regular
from hyperseg_tf.pipelines.datasets import Dataset
from hyperseg_tf.pipelines.fingerprint import Files, context, identity
from hyperseg_tf.pipelines.samples import Sample

# Of one data set, some 100 bytes a sample; and of all together.
_LARGEST_BYTES = 2**26
_MOST_BYTES = 2**28
_MOST_FILES = 64

# In place of a hash: none was asked for; the picture has none.
_NOT_ASKED, _FLAT = None, -1


@dataclass(frozen=True)
class Verdict:
    """A sound sample.

    Attributes:
        size: (height, width) of the picture.
        counts: Pixels per label value, int64 (256,).
        image_hash: 64 bits; None where the picture has none.
    """

    size: tuple[int, int]
    counts: np.ndarray
    image_hash: int | None = None


class Verdicts:
    """Those on the samples of one folder, all splits together.

    Args:
        again: Take none of an earlier time, and replace them.

    Attributes:
        taken: How many `known` has given.
    """

    def __init__(self, dataset: Dataset, again: bool = False):
        self._files = Files()
        self._path = _path(dataset)
        self._entries = {} if self._path is None else _read(self._path)
        self._again = again
        self._new: dict[str, list] = {}
        self.taken = 0

    def mark(self, sample: Sample) -> str | None:
        """What says that its files are the same; ask before they are read."""
        return None if self._path is None else self._files.mark(sample)

    def known(self, sample: Sample, mark: str | None, hashed: bool) -> Verdict | None:
        """The verdict of an earlier time on files with the same mark.

        Args:
            hashed: One without a hash is of no use.
        """
        entry = None if self._again else self._entries.get(identity(sample))
        if mark is None or entry is None or entry[0] != mark:
            return None
        try:
            _, height, width, image_hash, values, pixels = entry
            if hashed and image_hash is _NOT_ASKED:
                return None
            counts = np.zeros(256, np.int64)
            counts[values] = pixels
            size = int(height), int(width)
        except (TypeError, ValueError, IndexError):
            return None
        self.taken += 1
        return Verdict(
            size, counts, None if image_hash in (_NOT_ASKED, _FLAT) else image_hash
        )

    def add(
        self, sample: Sample, mark: str | None, verdict: Verdict, hashed: bool
    ) -> None:
        """Keep a verdict; nothing without a mark."""
        if mark is None:
            return
        values = np.flatnonzero(verdict.counts)
        none = _FLAT if hashed else _NOT_ASKED
        image_hash = none if verdict.image_hash is None else verdict.image_hash
        self._new[identity(sample)] = [
            mark,
            *map(int, verdict.size),
            image_hash,
            values.tolist(),
            verdict.counts[values].tolist(),
        ]

    def save(self) -> None:
        """Write what is new; nothing where the folder cannot be written."""
        if self._path is None:
            return
        with contextlib.suppress(OSError):
            if not self._new:
                os.utime(self._path)  # the least recently used ones go first
                return
            self._entries |= self._new
            text = json.dumps(self._entries, separators=(",", ":")).encode()
            if len(text) > _LARGEST_BYTES:
                text = json.dumps(self._new, separators=(",", ":")).encode()
            if len(text) > _LARGEST_BYTES:
                return
            self._path.parent.mkdir(0o700, parents=True, exist_ok=True)
            with atomic_file(self._path) as temporary:
                temporary.write_bytes(_seal(text) + text)
            self._new = {}
            _discard_oldest(self._path.parent)


def folder() -> Path | None:
    """Where verdicts are kept; None for a user without a cache folder."""
    try:
        return user_cache.folder() / "checked"
    except RuntimeError:
        return None


def _path(dataset: Dataset) -> Path | None:
    place = folder()
    directory = os.path.realpath(dataset.directory)
    if place is None or Path(os.path.realpath(place)).is_relative_to(directory):
        return None  # nothing is ever written beside the data
    name = hashlib.sha256(f"{context(dataset)} {directory!r}".encode()).hexdigest()
    return place / f"{name[:32]}.json"


def _read(path: Path) -> dict[str, list]:
    """What is in a file that is whole; nothing else is believed."""
    try:
        contents = read_regular(path, 2 * _LARGEST_BYTES)
        text = contents[len(_seal(b"")) :]
        if contents[: -len(text) or None] != _seal(text):
            return {}
        entries = json.loads(text)
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(entries, dict):
        return {}
    return {k: v for k, v in entries.items() if isinstance(v, list) and len(v) == 6}


def _seal(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest().encode() + b"\n"


def _discard_oldest(place: Path) -> None:
    found = [(path, path.stat()) for path in place.glob("*.json")]
    found.sort(key=lambda one: -one[1].st_mtime_ns)
    kept = 0
    for number, (path, status) in enumerate(found):
        kept += status.st_size
        if number >= _MOST_FILES or kept > _MOST_BYTES:
            path.unlink(missing_ok=True)
