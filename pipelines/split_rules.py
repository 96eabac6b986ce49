"""What a split must have as a whole: classes to learn, pixels to score.

Its files may be sound, each by itself, and nothing can be learnt from them.
"""

from collections.abc import Sequence

import numpy as np

from hyperseg_tf.base.constants import VOID
from hyperseg_tf.pipelines.array_pairs import Unlabelled
from hyperseg_tf.pipelines.datasets import Dataset
from hyperseg_tf.pipelines.label_patterns import free_colour, two_classes
from hyperseg_tf.pipelines.samples import Finding

# Names under which other tools list what is not labelled.
_LIKE_VOID = {"unlabeled", "unlabelled", "ignore", "ignored", "unannotated"}
_SHOWN = 4
# Share of the labelled pixels of a split, below which other classes may be what soft
# edges and JPEG leave of masks of two values.
_STRAYS = 1e-3


def unfit(
    dataset: Dataset,
    class_pixels: np.ndarray,
    void_pixels: int,
    void_is_class: bool = False,
) -> list[Finding]:
    """What makes a split of sound files useless.

    Args:
        void_is_class: Void is learnt as one more class.
    """
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
    found = []
    if dataset.samples.encoding == "index":
        found = _only_void_beside(dataset, class_pixels, void_pixels)
    classes = np.count_nonzero(class_pixels) + bool(void_is_class and void_pixels)
    if not found and classes == 1 and "train" in dataset.split:
        found = [_only_class(dataset, class_pixels, void_pixels)]
    return found


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


def _only_class(
    dataset: Dataset, class_pixels: np.ndarray, void_pixels: int
) -> Finding:
    """One class fills a split: the loss is 0 and the mIoU 1 whatever is learnt."""
    classes = dataset.classes
    name = classes.names[int(np.flatnonzero(class_pixels)[0])]
    if len(classes) > 1:
        remedy = "see what values the others have in the files, or label them"
    elif void_pixels and dataset.samples.encoding == "index":
        value = classes.values[0]
        free = next(v for v in range(VOID) if v not in (value, *classes.void_values))
        remedy = (
            f"write the line {free},background,{free_colour(classes)} into the class "
            "file and read void as it: --read-labels "
            f"{value}={value},255={free}; or --set void_is_class=yes"
        )
    else:
        remedy = "add a class for all the rest to the class file, and label it"
    return Finding(
        dataset.directory,
        f"labels of {dataset.split} show two classes or more",
        f"{name} is all there is of {len(classes)}, so nothing can be told apart",
        remedy,
    )


def _only_void_beside(
    dataset: Dataset, class_pixels: np.ndarray, void_pixels: int
) -> list[Finding]:
    """Masks of 0 and 255, which many tools write for two classes; strays are none."""
    classes = dataset.classes
    labelled = class_pixels.sum()
    most = int(class_pixels.argmax())
    strays = int(labelled - class_pixels[most])
    if len(classes) == 1 or not void_pixels or str(classes.reading):
        return []
    share = 100 * void_pixels / (void_pixels + labelled)
    if strays and (
        strays > _STRAYS * labelled or void_pixels < 10 * strays or share < 1
    ):
        return []
    beside = f", {strays} stray pixels of others" if strays else ""
    remedy = two_classes(classes.values[most], classes)
    if strays:
        kept = ",".join(f"{v}={v}" for v in classes.values)
        remedy += f",nearest; if it is void: --read-labels {kept}"
    return [
        Finding(
            dataset.directory,
            "labels show two classes or more beside void (255)",
            f"only {classes.names[most]}{beside}, and void in {share:.1f} % of "
            f"the pixels of {dataset.split}",
            remedy,
        )
    ]


def _is_for_prediction(dataset: Dataset) -> bool:
    """Whether its labels are kept back by a benchmark."""
    return any(isinstance(sample, Unlabelled) for sample in dataset.samples)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
