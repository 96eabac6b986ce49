"""Whether the files of a data set are those that were checked before.

Told by name, size and time of change alone: a run that goes on need not decode all of
Cityscapes again.
"""

import hashlib
import json
import os
import time

import tensorflow as tf

from pipelines.datasets import Dataset

# Counts up when `check` looks at more, so that what passed before is looked at again.
RULES = 1

# A file may change again within the tick of the clock that stamps it.
_YOUNG_NS = 2 * 10**9


def fingerprint(dataset: Dataset) -> str | None:
    """A digest of the rules, the classes and every file's path, size and time.

    None where that would say nothing: samples that are no files, or a file that is
    missing or was written a moment ago.
    """
    digest = hashlib.sha256()
    head = [RULES, tf.__version__, dataset.split, repr(dataset.classes)]
    digest.update(json.dumps([*head, dataset.samples.encoding]).encode())
    newest = 0
    for sample in dataset.samples:
        for source in (sample.image_source, sample.label_source):
            try:
                status = os.stat(source)
            except (OSError, ValueError):
                return None
            newest = max(newest, status.st_mtime_ns)
            line = sample.name, os.fspath(source), status.st_size, status.st_mtime_ns
            digest.update(repr(line).encode("utf-8", "surrogateescape"))
    return None if newest > time.time_ns() - _YOUNG_NS else digest.hexdigest()
