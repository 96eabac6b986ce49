"""What a split must have as a whole: classes to learn, pixels to score.

Its files may be sound, each by itself, and nothing can be learnt from them.
"""

from collections.abc import Sequence

import numpy as np

from pipelines.array_pairs import Unlabelled
from pipelines.datasets import Dataset
from pipelines.label_patterns import two_classes
from pipelines.samples import Finding

# Names under which other tools list what is not labelled.
_LIKE_VOID = {"unlabeled", "unlabelled", "ignore", "ignored", "unannotated"}
_SHOWN = 4


def unfit(
    dataset: Dataset, class_pixels: np.ndarray, void_pixels: int
) -> list[Finding]:
    """What makes a split of sound files useless."""
    if _is_for_prediction(dataset):
        return []
    if void_pixels and not class_pixels.any():
        training = "train" in dataset.split
        use = "learnt" if training else "scored"
        return [
            Finding(
                dataset.directory,
                f"labels of {dataset.split} show a class",
                f"every pixel is void, so nothing can be {use}",
                "label some pixels, or see what value the classes have in the files",
            )
        ]
    if dataset.samples.encoding == "index":
        return _only_void_beside(dataset, class_pixels, void_pixels)
    return []


def remarks(
    dataset: Dataset, class_pixels: np.ndarray, all_void: Sequence[str]
) -> list[str]:
    """What is worth knowing about a split that is fit for use.

    Args:
        all_void: Names of samples without a pixel of a class.
    """
    if _is_for_prediction(dataset) or not class_pixels.any():
        return []
    where = f"{dataset.directory}, {dataset.split}"
    training = "train" in dataset.split
    names = np.array(dataset.classes.names, object)
    absent = names[class_pixels == 0]
    lines = []
    if len(names) == 1:
        lines.append(f"{where}: {names[0]} is the only class: nothing to tell apart")
    if len(absent) and len(absent) == len(names) - 1:
        present = names[class_pixels > 0][0]
        lines.append(f"{where}: {present} is all there is of {len(names)} classes")
    elif len(absent):
        what = "cannot be learnt" if training else "cannot be scored"
        lines.append(f"{where}: no pixel of {_some(absent)}, which {what}")
    if all_void:
        what = f"{len(all_void)} of {len(dataset)} labels"
        lines.append(f"{where}: {what} are all void: {_some(all_void)}")
    if training:
        like = [name for name in names if name.lower() in _LIKE_VOID]
        lines += [
            f"{where}: {name} is learnt like any class; rename its line in the class "
            "file to void if it is to be ignored"
            for name in like
        ]
    return lines


def _only_void_beside(
    dataset: Dataset, class_pixels: np.ndarray, void_pixels: int
) -> list[Finding]:
    """Masks of 0 and 255, which many tools write for two classes."""
    classes = dataset.classes
    present = np.flatnonzero(class_pixels)
    if (
        len(present) != 1
        or len(classes) == 1
        or not void_pixels
        or str(classes.reading)
    ):
        return []
    share = 100 * void_pixels / (void_pixels + class_pixels.sum())
    return [
        Finding(
            dataset.directory,
            "labels show two classes or more beside void (255)",
            f"only {classes.names[present[0]]}, and void in {share:.1f} % of "
            f"the pixels of {dataset.split}",
            two_classes(classes.values[present[0]], classes),
        )
    ]


def _is_for_prediction(dataset: Dataset) -> bool:
    """Whether its labels are kept back by a benchmark."""
    return any(isinstance(sample, Unlabelled) for sample in dataset.samples)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
