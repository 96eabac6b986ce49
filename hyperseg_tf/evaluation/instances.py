"""iIoU of Cityscapes: IoU in which every instance of a class weighs the same.

A class's true positives and misses are counted instance by instance, each times the
mean size of the class's instances by its own; false alarms belong to no instance and
count as in IoU.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.picture_file import open_header
from hyperseg_tf.base.regular_file import open_regular
from hyperseg_tf.evaluation.metrics import iou_of
from hyperseg_tf.pipelines import Dataset
from hyperseg_tf.pipelines.class_tables import CITYSCAPES
from hyperseg_tf.protocols import Protocol

# Values of instances are 1000 * the value of their class + a number; below that are
# crowds and what has no instances.
_PER_CLASS = 1000
_LABELS, _INSTANCES = "_labelIds.png", "_instanceIds.png"


def files_of(data: Dataset, protocol: Protocol) -> list[Path] | None:
    """A file of instances beside every label; None unless all are there and wanted."""
    if not protocol.instances:
        return None
    paths = []
    for sample in data.samples:
        source = str(sample.label_source)
        path = Path(source.removesuffix(_LABELS) + _INSTANCES)
        if not source.endswith(_LABELS) or not path.is_file():
            return None
        paths.append(path)
    return paths


class Instances:
    """Weighted pixels of instances, class by class and category by category.

    Args:
        protocol: Which classes have instances, and of what mean size.

    Attributes:
        classes: Positions of the classes with instances, in order.
        categories: Names and positions of the categories all of whose classes have
            instances.
    """

    def __init__(self, protocol: Protocol) -> None:
        self.mean_size = dict(protocol.instances)
        self.classes = tuple(self.mean_size)
        self.categories = tuple(
            (name, group)
            for name, group in protocol.categories
            if set(group) <= set(self.classes)
        )
        self._of_classes = np.zeros((2, len(self.classes)))
        self._of_categories = np.zeros((2, len(self.categories)))

    def add(self, path: Path, prediction: np.ndarray) -> None:
        """Count the instances of one picture.

        Args:
            path: The picture's file of instances.
            prediction: uint8 (H, W), positions of classes.

        Raises:
            UserError: The file is no picture of the prediction's size.
        """
        found = _read(path, prediction.shape)
        values, which = np.unique(found, return_inverse=True)
        which = which.reshape(-1)
        number = len(values)
        sizes = np.bincount(which, minlength=number)
        position = {value: i for i, value in enumerate(CITYSCAPES.values)}
        of_value = [position.get(int(v) // _PER_CLASS, -1) for v in values]
        right = _shares(which, prediction, number, [[k] for k in of_value], sizes)
        for i, k in enumerate(self.classes):
            for n in np.flatnonzero(np.array(of_value) == k):
                self._of_classes[:, i] += self.mean_size[k] * right[:, n]
        for i, (_, group) in enumerate(self.categories):
            right = _shares(which, prediction, number, [group] * number, sizes)
            for n in np.flatnonzero(np.isin(of_value, group)):
                mean_size = self.mean_size[of_value[n]]
                self._of_categories[:, i] += mean_size * right[:, n]

    def iou(self, matrix: np.ndarray) -> np.ndarray:
        """iIoU of `classes`, float64 in 0..1; NaN of one that never occurs.

        Args:
            matrix: Confusion matrix (C, C) of all pictures, rows are labels.
        """
        return self._iou(matrix, [[k] for k in self.classes], self._of_classes)

    def category_iou(self, matrix: np.ndarray) -> np.ndarray:
        """iIoU of `categories`, as of `iou`."""
        groups = [list(group) for _, group in self.categories]
        return self._iou(matrix, groups, self._of_categories)

    def _iou(self, matrix, groups: Sequence[Sequence[int]], counts) -> np.ndarray:
        right, missed = counts
        alarms = np.array(
            [matrix[:, g].sum() - matrix[np.ix_(g, g)].sum() for g in groups], float
        )
        return iou_of(right, right + missed, right + alarms)


def _shares(which, prediction, number, groups, sizes) -> np.ndarray:
    """Of every value the share of its pixels predicted as its group, and the rest."""
    table = np.zeros((number, 256), bool)
    for i, group in enumerate(groups):
        table[i, [k for k in group if k >= 0]] = True
    hits = table[which, prediction.reshape(-1)]
    right = np.bincount(which, hits, minlength=number)
    return np.stack([right, sizes - right]) / sizes


def _read(path: Path, size: tuple[int, int]) -> np.ndarray:
    try:
        with open_regular(path) as file, open_header(file) as picture:
            found = (
                np.asarray(picture) if (picture.height, picture.width) == size else 0
            )
    except Exception as error:  # decoders raise anything
        raise UserError(
            f"{path}: instances are a picture of 16 bits: {error}; restore it, or take "
            f"all {_INSTANCES} away."
        ) from error
    if np.shape(found) != size:
        raise UserError(
            f"{path}: instances have the size of their label, {size[1]}x{size[0]}, and "
            "one channel: these have not; restore them."
        )
    return found.astype(np.int64)
