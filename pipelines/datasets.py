"""A data set: samples of one split and the classes of their labels.

Nothing is decoded before `check`, `load_sample` or `batches`. Readers note what they
could not use as findings instead of raising, so that `check` can list everything at
once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.pipelines.classes import ClassTable
from hyperseg_tf.pipelines.files import FilePairs
from hyperseg_tf.pipelines.label_reading import LabelReading
from hyperseg_tf.pipelines.samples import Finding, Sample, SampleList, Samples


class EmptySplit(UserError):
    """A split that is laid out and holds nothing, as tools leave an unused val."""


@dataclass(frozen=True)
class Dataset:
    """The samples of one split, in a fixed order.

    Args:
        name: Its own name, for logs and titles.
        directory: The folder that was opened, or any path that says where the data
            come from.
        split: `train`, `val` or `test`.
        classes: Names, colours and void.
        samples: A `Samples`, or a list of any samples, which becomes one.
        findings: What the reader could not use; `check` reports it first.
        notes: What the reader left out or took for granted; it hinders nothing.
    """

    name: str
    directory: Path
    split: str
    classes: ClassTable
    samples: Samples | Sequence[Sample]
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self):
        if not isinstance(self.samples, Samples):
            object.__setattr__(self, "samples", SampleList(tuple(self.samples)))

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, i: int) -> Sample:
        return self.samples[i]

    def subset(self, indices: Sequence[int]) -> "Dataset":
        """The same data set with these samples only, in this order."""
        return replace(self, samples=self.samples.subset(indices))


def with_void_as_class(dataset: Dataset) -> Dataset:
    """The data set with void as one more class, where its files know two kinds of void.

    What they call void is the class `void` then, and what they do not name is ignored.
    A data set of one kind of void stays as it is.
    """
    classes = dataset.classes
    if not classes.rest_is_void or not isinstance(dataset.samples, FilePairs):
        return dataset
    classes = classes.with_void_as_class()
    return replace(
        dataset, classes=classes, samples=dataset.samples.with_classes(classes)
    )


def read_by(dataset: Dataset, reading: LabelReading | str) -> Dataset:
    """The data set with its label files read in another way than the class file says.

    Args:
        reading: Or its text, `0=0,255=1`; an empty one changes nothing.

    Raises:
        UserError: It does not suit the classes, or labels are no files.
    """
    try:
        if isinstance(reading, str):
            reading = LabelReading.parse(reading)
        if reading == dataset.classes.reading:
            return dataset
        classes = replace(dataset.classes, reading=reading)
        classes.index_table()  # what it cannot mean is said now
        reading.require_fit(dataset.samples.encoding)
        samples = dataset.samples.with_classes(classes)
    except (ValueError, UserError) as error:
        raise UserError(f"{dataset.directory}: {error}") from error
    return replace(dataset, classes=classes, samples=samples)


def hold_back(dataset: Dataset, share: float, split: str) -> tuple[Dataset, Dataset]:
    """What is left of the data set, and a share of its samples as another split.

    The same samples every time, drawn without order; one at least on either side.

    Raises:
        UserError: There is one sample only.
        ValueError: `share` is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise ValueError(f"a share is between 0 and 1: got {share}.")
    count = len(dataset)
    if count < 2:
        raise UserError(
            f"{dataset.directory}: a part of {dataset.split} can be held back of two "
            f"samples or more: found {count}; add samples."
        )
    held = min(max(round(share * count), 1), count - 1)
    drawn = set(np.random.default_rng(0).permutation(count)[:held].tolist())
    rest = dataset.subset([i for i in range(count) if i not in drawn])
    back = replace(dataset.subset(sorted(drawn)), split=split, findings=(), notes=())
    return rest, back


def join(datasets: Sequence[Dataset]) -> Dataset:
    """One dataset of all samples, in order; its split reads `train+val`.

    Raises:
        UserError: the splits differ in classes or in the encoding of label files.
    """
    first, *others = datasets
    for other in others:
        if first.classes != other.classes:
            raise UserError(
                f"{first.directory}: splits joined for training have the same "
                f"classes: {first.split} and {other.split} differ; save their "
                "labels in the same way."
            )
    try:
        samples = first.samples.joined(*(other.samples for other in others))
    except UserError as error:
        splits = " and ".join(dataset.split for dataset in datasets)
        raise UserError(f"{first.directory}, {splits}: {error}") from error
    return replace(
        first,
        split="+".join(dataset.split for dataset in datasets),
        samples=samples,
        findings=sum((dataset.findings for dataset in datasets), ()),
        notes=sum((dataset.notes for dataset in datasets), ()),
    )
