"""All splits of a folder, as what writes them anew needs them."""

from pathlib import Path

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.pipelines.datasets import Dataset, EmptySplit
from hyperseg_tf.pipelines.opening import open_dataset, splits


def every_split(directory: str | Path, labels: str = "") -> list[Dataset]:
    """Open all splits there are; of several, one that is empty is left out.

    Args:
        labels: How label files are read, as of `open_dataset`.

    Raises:
        UserError: The folder cannot be read, a reader has findings, or the splits
            differ in their classes.
    """
    # Where none is found, opening says why.
    found = splits(directory) or ("train",)
    sets, empty = [], []
    for split in found:
        try:
            sets.append(open_dataset(directory, split, labels=labels))
        except EmptySplit as error:
            empty.append(error)
    if not sets:
        raise empty[0]
    names = sets[0].classes.names
    for dataset in sets:
        if dataset.findings:
            raise UserError(
                f"{directory}, {dataset.split}: only what can be used is written: "
                f"{len(dataset.findings)} findings, first {dataset.findings[0]} List "
                f"all with `hyperseg-tf data check {directory}`."
            )
        if dataset.classes.names != names:
            raise UserError(
                f"{directory}: all splits of a data set have the same classes: "
                f"{sets[0].split} and {dataset.split} differ; write them apart."
            )
    return sets
