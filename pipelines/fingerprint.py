"""Whether the files of a data set are those that were checked before.

Told by name, size and time of change alone: nobody need decode all of Cityscapes again.
"""

import hashlib
import json
import os
import time
from functools import cache
from pathlib import Path

from hyperseg_tf.base.versions import versions
from hyperseg_tf.pipelines.datasets import Dataset
from hyperseg_tf.pipelines.samples import Sample

# Counts up when `check` looks at more, so that what passed before is looked at again.
RULES = 1

# A file may change again within the tick of the clock that stamps it.
_YOUNG_NS = 2 * 10**9

# Packages that labels are read by, and pictures compared.
_READERS = ("pycocotools", "scipy", "imagehash")


def fingerprint(dataset: Dataset) -> str | None:
    """A digest of the rules, the classes and every file's path, size and time.

    None where that would say nothing: samples that are no files, or a file that is
    missing or was written a moment ago.
    """
    digest = hashlib.sha256(f"{context(dataset)} {dataset.split}".encode())
    files = Files()
    for sample in dataset.samples:
        mark = files.mark(sample)
        if mark is None:
            return None
        digest.update(f"{identity(sample)} {mark}".encode())
    return digest.hexdigest()


def context(dataset: Dataset) -> str:
    """A digest of all but the files that a verdict on a sample depends on."""
    head = [RULES, _versions(), repr(dataset.classes)]
    line = json.dumps([*head, dataset.samples.encoding])
    return hashlib.sha256(line.encode()).hexdigest()


def identity(sample: Sample) -> str:
    """A digest of what is known of a sample by its names, whatever is in its files."""
    parts = sample.name, str(sample.image_source), str(sample.label_source)
    return _digest((*parts, getattr(sample, "encoding", None)))


@cache
def _versions() -> dict[str, str]:
    return versions(*_READERS)


class Files:
    """Sizes and times of files, each asked for once: samples may share one."""

    def __init__(self):
        self._found: dict[str | Path, tuple[int, int] | None] = {}

    def mark(self, sample: Sample) -> str | None:
        """A digest of the sizes and times of a sample's files.

        None where there are none, or one is missing or was written a moment ago.
        """
        found = [self._status(source) for source in sample.sources]
        oldest_young = time.time_ns() - _YOUNG_NS
        same = (status and status[1] <= oldest_young for status in found)
        if not found or not all(same):
            return None
        return _digest((*map(os.fspath, sample.sources), *found))

    def _status(self, source: str | Path) -> tuple[int, int] | None:
        if source not in self._found:
            try:
                status = os.stat(source)
                self._found[source] = status.st_size, status.st_mtime_ns
            except (OSError, ValueError):
                self._found[source] = None
        return self._found[source]


def _digest(parts: tuple) -> str:
    line = repr(parts).encode("utf-8", "surrogateescape")
    return hashlib.sha256(line).hexdigest()[:24]
