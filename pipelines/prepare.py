"""Any readable data set as records in few large files, for TensorFlow Datasets, too.

The order of samples, what is in each file and its bytes depend on the data and the
choices alone: a run that was killed goes on with the files that are missing, and the
checksums are those of a run that was not.
"""

import hashlib
import json
import os
import re
import shutil
import unicodedata
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import filelock

from hyperseg_tf.base.atomic import atomic_file, check_target
from hyperseg_tf.base.constants import VOID
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.progress import Progress, bar, say
from hyperseg_tf.pipelines.datasets import Dataset
from hyperseg_tf.pipelines.every_split import every_split
from hyperseg_tf.pipelines.label_reading import LabelReading
from hyperseg_tf.pipelines.readers.prepared import CHECKSUMS, CLASSES, SAMPLES, VERSION
from hyperseg_tf.pipelines.record_files import Choices, FileTask, write_file
from hyperseg_tf.pipelines.records import require_array_record
from hyperseg_tf.pipelines.tfds_metadata import require_tfds, write_metadata

# Of a file, by the sizes of the pictures' files.
SHARD_BYTES = 256 * 2**20

FILE_FORMATS = ("array_record", "tfrecord")

# Changes with what is written for the same data and choices.
_FORMAT = 1


def prepare(
    directory: str | Path,
    out: str | Path,
    *,
    name: str | None = None,
    size: tuple[int, int] | None = None,
    jpeg_quality: int | None = None,
    file_format: str = "array_record",
    overwrite: bool = False,
    labels: str = "",
    parallel: int | None = None,
    shard_bytes: int = SHARD_BYTES,
    progress: Progress | None = None,
) -> Path:
    """Write all splits of a data set of any known layout as ArrayRecord files.

    Labels are kept to the last pixel, as PNG of class positions, void 255. Pictures are
    kept byte for byte where every decoder reads them alike; those with an orientation,
    alpha, a palette or 16 bits are decoded once and written as PNG.

    Args:
        directory: The data set.
        out: Folder that `OUT/NAME/1.0.0` appears in once all is written. After an
            interruption the same call goes on.
        name: Of letters, digits and underscores; None takes the folder's.
        size: (height, width) that pictures and labels are resized to.
        jpeg_quality: 1 to 100: pictures are written as JPEG, colours not subsampled.
        file_format: "array_record", which `tfds.data_source` reads in any order, or
            "tfrecord", which `tfds.load` reads in order. Training reads both in any.
        overwrite: Replace prepared data of that name.
        labels: How label files are read, as of `open_dataset`.
        parallel: Files written at the same time; None: one for each processor.
        shard_bytes: Of a file, about.
        progress: Called with (samples done, samples in all).

    Returns:
        `OUT/NAME/1.0.0`. Training and evaluation read OUT, and TensorFlow Datasets
        reads NAME with `data_dir=OUT`.

    Raises:
        UserError: The folder cannot be read, a sample breaks a rule of `check`, the
            splits differ in classes, a package is missing, or `out` may not be written.
        ValueError: A number is out of range.
    """
    if jpeg_quality is not None and not 1 <= jpeg_quality <= 100:
        raise ValueError(f"jpeg_quality is 1 to 100: got {jpeg_quality}.")
    if size is not None and min(size) < 1:
        raise ValueError(f"size is (height, width), each at least 1: got {size}.")
    if shard_bytes < 1 or (parallel is not None and parallel < 1):
        raise ValueError(
            f"shard_bytes and parallel are at least 1: got {shard_bytes=}, {parallel=}."
        )
    if file_format not in FILE_FORMATS:
        raise ValueError(
            f"file_format is one of {', '.join(FILE_FORMATS)}: got {file_format!r}."
        )
    if file_format == "array_record":
        require_array_record()
    require_tfds()
    out = Path(out)
    sets = every_split(directory, labels)
    name = _checked_name(name, sets[0].name)
    target = out / name / VERSION
    check_target(target, overwrite)
    out.mkdir(parents=True, exist_ok=True)
    choices = Choices(size and tuple(map(int, size)), jpeg_quality, file_format)
    partial = out / f".{name}.partial"
    with _alone(out / f".{name}.lock", partial):
        tasks = [
            task
            for dataset in sets
            for task in _tasks(
                dataset, f"{name}-{dataset.split}.{file_format}", shard_bytes
            )
        ]
        _begin(partial, _plan(sets, choices, labels, tasks))
        _write_all(tasks, partial, choices, parallel, progress or bar("preparing"))
        _finish(sets, tasks, partial, name)
        _publish(partial, target, overwrite)
    return target


def _tasks(dataset: Dataset, prefix: str, shard_bytes: int) -> list[FileTask]:
    total = sum(map(_bytes_of, dataset.samples))
    count = max(1, min(len(dataset), -(-total // shard_bytes)))
    ends = [len(dataset) * (i + 1) // count for i in range(count)]
    return [
        FileTask(
            dataset,
            f"{prefix}-{i:05d}-of-{count:05d}",
            start,
            stop,
        )
        for i, (start, stop) in enumerate(zip([0, *ends], ends, strict=False))
    ]


def _bytes_of(sample) -> int:
    source = sample.image_source
    if isinstance(source, Path) and os.path.isfile(source):
        return os.path.getsize(source)
    height, width = sample.size() or (0, 0)
    return 3 * height * width


def _plan(
    sets: list[Dataset], choices: Choices, labels: str, tasks: list[FileTask]
) -> str:
    """Everything that the files depend on."""
    plan = {
        "format": _FORMAT,
        "choices": asdict(choices),
        "labels": labels,
        "files": [(task.file, task.start, task.stop) for task in tasks],
        "sets": [
            {
                "split": dataset.split,
                "classes": repr(dataset.classes),
                "samples": [_identity(sample) for sample in dataset.samples],
            }
            for dataset in sets
        ],
    }
    return hashlib.sha256(json.dumps(plan).encode()).hexdigest()


def _identity(sample) -> list:
    facts = [sample.name]
    for source in (sample.image_source, sample.label_source):
        facts.append(os.fsencode(source).decode("utf-8", "backslashreplace"))
        if isinstance(source, Path) and os.path.isfile(source):
            status = source.stat()
            facts += [status.st_size, status.st_mtime_ns]
    return facts


@contextmanager
def _alone(path: Path, partial: Path) -> Iterator[None]:
    """One process at a time; what it leaves behind after an error says so."""
    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise UserError(
            f"{partial}: one process at a time prepares data there: another does; wait "
            "for it, or name another folder."
        ) from error
    try:
        yield
    finally:
        lock.release()
        path.unlink(missing_ok=True)


def _begin(partial: Path, plan: str) -> None:
    """Keep what an interrupted run of the same plan left, and nothing else."""
    said = partial / "plan.txt"
    if said.exists() and said.read_text() == plan:
        done = len(list(partial.glob("*-of-*.json")))
        say(f"going on in {partial}: {done} files are there")
        return
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    with atomic_file(said) as temporary:
        temporary.write_text(plan)


def _write_all(tasks, partial, choices, parallel, progress) -> None:
    total = sum(task.stop - task.start for task in tasks)
    counter = iter(range(1, total + 1))

    def step(count: int = 1) -> None:
        for _ in range(count):
            progress(next(counter), total)

    pool = ThreadPoolExecutor(parallel or os.cpu_count())
    try:
        futures = [pool.submit(write_file, t, partial, choices, step) for t in tasks]
        for future in futures:
            future.result()
    finally:
        # After an error or Ctrl-C nothing new begins.
        pool.shutdown(cancel_futures=True)


def _finish(sets, tasks, partial: Path, name: str) -> None:
    """The tables, from what was noted beside each file."""
    notes = [partial / f"{task.file}.json" for task in tasks]
    found = [json.loads(path.read_text()) for path in notes]
    splits = {}
    for task, facts in zip(tasks, found, strict=True):
        kept = {key: value for key, value in facts.items() if key != "sha256"}
        splits.setdefault(task.dataset.split, []).append(kept)
    table = {"name": name, "splits": splits}
    (partial / SAMPLES).write_text(json.dumps(table), "utf-8")
    sums = [f"{facts['sha256']}  {facts['file']}\n" for facts in found]
    (partial / CHECKSUMS).write_text("".join(sums))
    classes = replace(
        sets[0].classes,
        void_values=(VOID,),
        values=tuple(range(len(sets[0].classes))),
        rest_is_void=False,
        reading=LabelReading(),
    )
    classes.write(partial / CLASSES)
    write_metadata(partial, classes.names, splits)


def _publish(partial: Path, target: Path, overwrite: bool) -> None:
    for path in (*partial.glob("*-of-*.json"), partial / "plan.txt"):
        path.unlink()
    target.parent.mkdir(exist_ok=True)
    check_target(target, overwrite)
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        os.rename(target, old)
    os.rename(partial, target)
    shutil.rmtree(old, ignore_errors=True)


def _checked_name(name: str | None, folder: str) -> str:
    """A name as TensorFlow Datasets has them."""
    if name is not None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise UserError(
                "a name of prepared data is of small letters, digits and underscores, "
                f"and begins with a letter: got {name!r}."
            )
        return name
    plain = (
        unicodedata.normalize("NFKD", folder.casefold())
        .encode("ascii", "ignore")
        .decode()
    )
    plain = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    return plain if re.match("[a-z]", plain) else f"data_{plain}".rstrip("_")
