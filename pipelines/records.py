"""Samples as records of ArrayRecord or TFRecord files, which are read in any order.

A record is a `tf.train.Example` of three strings: `image`, a PNG or JPEG file; `label`,
a PNG whose grey values are class positions, void 255; `name`. TensorFlow Datasets reads
the same files.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Protocol

import numpy as np
import tensorflow as tf
from PIL import Image

from hyperseg_tf.base.constants import VOID
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.picture_file import open_header
from hyperseg_tf.pipelines.decode import decode_image
from hyperseg_tf.pipelines.samples import Finding, Loader, Sample, Samples

IMAGE, LABEL, NAME = "image", "label", "name"


def require_array_record():
    """The module of ArrayRecord; a `UserError` where it is missing."""
    try:
        from array_record.python import array_record_module
    except ImportError as error:
        raise UserError(
            "prepared data are read and written by array_record: it cannot be "
            f"imported ({error}); pip install 'hyperseg_tf[data]'."
        ) from error
    return array_record_module


def to_record(image: bytes, label: np.ndarray, name: str) -> bytes:
    """Bytes of a record, always the same for the same sample.

    Args:
        image: A PNG or JPEG file.
        label: uint8 (H, W), class positions and void.
        name: Of the sample.
    """
    file = BytesIO()
    Image.fromarray(label).save(file, "PNG")
    values = {IMAGE: image, LABEL: file.getvalue(), NAME: name.encode()}
    features = {
        key: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        for key, value in values.items()
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return example.SerializeToString(deterministic=True)


class Shard(Protocol):
    """One file of records.

    Attributes:
        path: Where it is.
    """

    path: Path

    def read(self, i: int) -> bytes:
        """Record `i`; OSError where it cannot be had."""


@dataclass(frozen=True)
class ArrayRecordShard:
    """A file that knows where each of its records is."""

    path: Path
    _lock: Lock = field(default_factory=Lock, repr=False, compare=False)
    _readers: list = field(default_factory=list, repr=False, compare=False)

    def read(self, i: int) -> bytes:
        """Record `i`; OSError where it cannot be had."""
        # A reader is of one thread at a time.
        with self._lock:
            try:
                if not self._readers:
                    self._readers.append(
                        require_array_record().ArrayRecordReader(
                            str(self.path),
                            options="readahead_buffer_size:0",
                            file_reader_buffer_size=32768,
                        )
                    )
                (record,) = self._readers[0].read([i])
            except (IndexError, RuntimeError, ValueError) as error:
                raise OSError(None, str(error), str(self.path)) from error
        return record


@dataclass(frozen=True)
class TFRecordShard:
    """A TFRecord file and the ends of its records, which it does not know itself.

    Attributes:
        ends: Byte behind each record and what frames it.
    """

    path: Path
    ends: tuple[int, ...]

    def read(self, i: int) -> bytes:
        """Record `i`; OSError where it cannot be had."""
        # Length and checksum of it in front, checksum behind: 12 and 4 bytes.
        start = (self.ends[i - 1] if i else 0) + 12
        length = self.ends[i] - 4 - start
        with open(self.path, "rb") as file:
            file.seek(start)
            record = file.read(length)
        if len(record) != length:
            raise OSError(None, "the file ends before its record", str(self.path))
        return record


@dataclass(frozen=True)
class RecordSample(Sample):
    """One record.

    Attributes:
        shard: Its file.
        position: There.
        shape: (height, width).
        num_classes: Whose positions labels have.
    """

    name: str
    shard: Shard
    position: int
    shape: tuple[int, int]
    num_classes: int

    @property
    def image_source(self) -> str:
        """File and record."""
        return f"{self.shard.path}, record {self.position} ({self.name})"

    @property
    def label_source(self) -> str:
        """The same."""
        return self.image_source

    @property
    def sources(self) -> tuple[Path]:
        """The file of the record."""
        return (self.shard.path,)

    def image_bytes(self) -> bytes:
        """The picture's file."""
        return self._string(IMAGE)

    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.shape

    def inspect_label(self) -> tuple[np.ndarray | None, list[Finding]]:
        """The label; what is no class is a finding."""
        label = np.asarray(open_header(BytesIO(self._string(LABEL)), ("PNG",)))
        wrong = (label != VOID) & (label >= self.num_classes)
        if not wrong.any():
            return label, []
        found = f"value {label[wrong][0]} ({wrong.sum()} pixels)"
        rule = f"values are those of {self.num_classes} classes, or {VOID}"
        remedy = "prepare the data again"
        return None, [Finding(self.label_source, rule, found, remedy)]

    def _string(self, key: str) -> bytes:
        example = tf.train.Example.FromString(self.shard.read(self.position))
        return example.features.feature[key].bytes_list.value[0]


@dataclass(frozen=True)
class RecordSamples(Samples):
    """Records of one split, in the order they were written."""

    records: tuple[RecordSample, ...]

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, i: int) -> RecordSample:
        return self.records[i]

    def subset(self, positions: Sequence[int]) -> "RecordSamples":
        """As of any samples, without a detour."""
        return RecordSamples(tuple(self.records[i] for i in positions))

    def loader(self) -> Loader:
        """A function of a position: Python reads the bytes, TensorFlow decodes them."""
        strings = {key: tf.io.FixedLenFeature((), tf.string) for key in (IMAGE, LABEL)}

        def read(position: np.ndarray) -> bytes:
            record = self.records[int(position)]
            return record.shard.read(record.position)

        def load(position: tf.Tensor) -> dict[str, tf.Tensor]:
            record = tf.numpy_function(read, [position], tf.string)
            parsed = tf.io.parse_single_example(record, strings)
            label = tf.io.decode_png(parsed[LABEL], channels=1)
            return {
                "image": decode_image(parsed[IMAGE]),
                "label": tf.ensure_shape(label, (None, None, 1))[..., 0],
            }

        return load
