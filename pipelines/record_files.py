"""One file of records, written from samples: what `data prepare` does for each."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from hyperseg_tf.base import pixels
from hyperseg_tf.base.atomic import atomic_file
from hyperseg_tf.base.orientation import orientation_of
from hyperseg_tf.base.picture_file import open_header
from hyperseg_tf.pipelines.check import load_sample
from hyperseg_tf.pipelines.datasets import Dataset
from hyperseg_tf.pipelines.decode import COLOUR_TYPE, DEPTH, GREY, RGB
from hyperseg_tf.pipelines.records import require_array_record, to_record


@dataclass(frozen=True)
class Choices:
    """How pictures are written.

    Attributes:
        size: (height, width) they are resized to; None: as they are.
        jpeg_quality: 1 to 100; None: as they are, or as PNG.
        file_format: "array_record" or "tfrecord".
    """

    size: tuple[int, int] | None
    jpeg_quality: int | None
    file_format: str


@dataclass(frozen=True)
class FileTask:
    """One file: samples `start` to `stop` of a split.

    Attributes:
        file: Its name.
    """

    dataset: Dataset
    file: str
    start: int
    stop: int


def write_file(
    task: FileTask, folder: Path, choices: Choices, step: Callable[[int], None]
) -> None:
    """Write a file and, when it is complete, `FILE.json` beside it; both are left alone
    where they are there already.

    Args:
        step: Called with a number of samples that are done.

    Raises:
        UserError: A sample breaks a rule of `check`.
    """
    path = folder / task.file
    done = path.with_name(f"{task.file}.json")
    if done.exists() and path.exists():
        if json.loads(done.read_text())["bytes"] == path.stat().st_size:
            step(task.stop - task.start)
            return
    rows, lengths = [], []
    with atomic_file(path) as temporary:
        writer = _writer(temporary, choices.file_format)
        try:
            for position in range(task.start, task.stop):
                record, row = _record(task.dataset, position, choices)
                writer.write(record)
                rows.append(row)
                # With what frames it in a TFRecord.
                lengths.append(len(record) + 16)
                step(1)
        finally:
            writer.close()
        size, digest = temporary.stat().st_size, _digest(temporary)
    facts = {"file": task.file, "bytes": size, "sha256": digest, "samples": rows}
    if choices.file_format == "tfrecord":
        facts["ends"] = np.cumsum(lengths).tolist()
    with atomic_file(done) as temporary:
        temporary.write_text(json.dumps(facts))


def _writer(path: Path, file_format: str):
    if file_format == "tfrecord":
        return tf.io.TFRecordWriter(str(path))
    # Each record alone, so that any of them is read without its neighbours.
    options = "group_size:1,uncompressed"
    return require_array_record().ArrayRecordWriter(str(path), options)


def _record(dataset: Dataset, position: int, choices: Choices) -> tuple[bytes, list]:
    sample = dataset[position]
    loaded = load_sample(dataset, position)
    image, label = loaded["image"], loaded["label"]
    contents = None
    if choices.size is not None and choices.size != label.shape:
        image = pixels.resize(image[None], choices.size)[0]
        label = pixels.resize_nearest(label[None], choices.size)[0]
    elif choices.jpeg_quality is None:
        contents = sample.image_bytes()
    if contents is None or not _plain(contents):
        contents = _encoded(image, choices.jpeg_quality)
    record = to_record(contents, label, sample.name)
    return record, [sample.name, *label.shape]


def _plain(contents: bytes) -> bool:
    """Whether every decoder reads the file alike, EXIF ignored or not."""
    with open_header(BytesIO(contents)) as header:
        if orientation_of(header) != 1:
            return False
        if header.format == "PNG":
            plain = contents[COLOUR_TYPE] in (GREY, RGB) and contents[DEPTH] == 8
            return plain and "transparency" not in header.info
        return header.format == "JPEG" and header.mode in ("L", "RGB")


def _encoded(image: np.ndarray, jpeg_quality: int | None) -> bytes:
    file = BytesIO()
    if jpeg_quality is None:
        Image.fromarray(image).save(file, "PNG")
    else:
        Image.fromarray(image).save(file, "JPEG", quality=jpeg_quality, subsampling=0)
    return file.getvalue()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
