"""A data set: samples of one split and the classes of their labels.

Nothing is decoded before `check`, `load_sample` or `batches`. Readers note what they
could not use as findings instead of raising, so that `check` can list everything at
once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hyperseg_tf.base.errors import UserError
from pipelines.classes import ClassTable
from pipelines.samples import Finding, Sample, SampleList, Samples


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
    """

    name: str
    directory: Path
    split: str
    classes: ClassTable
    samples: Samples | Sequence[Sample]
    findings: tuple[Finding, ...] = ()

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
    )
