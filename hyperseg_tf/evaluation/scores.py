"""What one evaluation counted, and every score that follows from it."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from hyperseg_tf.base.versions import versions
from hyperseg_tf.evaluation import metrics
from hyperseg_tf.evaluation.calibration import calibration_error
from hyperseg_tf.evaluation.instances import Instances
from hyperseg_tf.evaluation.intervals import Intervals, bootstrap
from hyperseg_tf.evaluation.object_sizes import iou_by_size


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Of one model on one split under one protocol.

    Attributes:
        protocol: Name of the protocol.
        model: Name of the model, or the file it came from.
        dataset: Name of the data.
        split: Its part that was scored.
        images: Number of images.
        names: Class of each row and column of `matrix`.
        counted: Indices of the classes that the mean is over.
        matrix: Pixel counts, int64 (C, C); rows are labels, columns predictions.
        absent: "skip" leaves classes in neither label nor prediction out of the
            mean, "zero" counts them as 0.
        input_size: (height, width) that the network saw; None for the images' own.
        passes: What was done beside one pass of every image, as `Passes` say it; empty
            for nothing else.
        in_windows: Images that were seen through windows.
        pictures: Names of the images, in order.
        picture_counts: int64 (images, 3, C): pixels of each that are right, labelled so
            and predicted so.
        boundary: int64 (3, C), of `boundary.boundary_counts`.
        sizes: int64 (2, 3, C), of `object_sizes.size_counts`.
        calibration: float64 (3, bins), of `calibration.calibration_counts`; None where
            no probabilities were asked for.
        categories: Groups of classes that the protocol scores as one, too.
        instances: Of a protocol and data that have them.
        leak: What is to be said of pictures that the model was trained on.
        one_void: All void of the data counted as the protocol's class, as they do not
            tell it from what the protocol ignores.
        read_labels: How label files were read, as `LabelReading.parse` takes it; empty
            for as the class file says.
    """

    protocol: str
    model: str
    dataset: str
    split: str
    images: int
    names: tuple[str, ...]
    counted: tuple[int, ...]
    matrix: np.ndarray
    pictures: tuple[str, ...]
    picture_counts: np.ndarray
    boundary: np.ndarray
    sizes: np.ndarray
    calibration: np.ndarray | None = None
    categories: tuple[tuple[str, tuple[int, ...]], ...] = ()
    instances: Instances | None = None
    leak: str = ""
    absent: str = "skip"
    input_size: tuple[int, int] | None = None
    passes: str = ""
    in_windows: int = 0
    one_void: bool = False
    read_labels: str = ""
    versions: dict[str, str] = field(default_factory=versions)

    @property
    def iou(self) -> np.ndarray:
        """Float64 (C,) in 0..1; NaN for a class in neither label nor prediction."""
        return metrics.iou_per_class(self.matrix)

    @property
    def miou(self) -> float:
        """Mean of `iou` over the counted classes; NaN if there is none."""
        return metrics.mean_iou(self.matrix, self.absent, self.counted)

    @property
    def pixel_accuracy(self) -> float:
        """Share of the labelled pixels that are right; NaN without any."""
        total = int(self.matrix.sum())
        return float(np.trace(self.matrix)) / total if total else float("nan")

    @property
    def left_out(self) -> tuple[str, ...]:
        """Counted classes that neither the labels nor the predictions have."""
        return tuple(self.names[i] for i in self.counted if np.isnan(self.iou[i]))

    @property
    def boundary_iou(self) -> np.ndarray:
        """Boundary IoU, float64 (C,), near outlines only; NaN as of `iou`."""
        return metrics.iou_of(*self.boundary)

    @property
    def dice(self) -> np.ndarray:
        """Dice coefficients, float64 (C,); NaN as of `iou`."""
        return metrics.dice_per_class(self.matrix)

    @property
    def accuracy(self) -> np.ndarray:
        """Share of each class's labelled pixels that are right, (C,), or NaN."""
        return metrics.accuracy_per_class(self.matrix)

    @property
    def frequency_weighted_iou(self) -> float:
        """Mean of `iou`, weighted by labelled pixels; NaN without any."""
        return metrics.frequency_weighted_iou(self.matrix)

    @property
    def size_iou(self) -> np.ndarray:
        """IoU of small, medium and large objects, (3, C); NaN where there are none."""
        return iou_by_size(self.sizes, self.matrix)

    @property
    def category_iou(self) -> np.ndarray:
        """IoU of `categories`; NaN of one in neither label nor prediction."""
        groups = [list(group) for _, group in self.categories]
        return metrics.merged(self.matrix, groups) if groups else np.zeros(0)

    @property
    def calibration_error(self) -> float:
        """Expected calibration error, 0..1; NaN where there are no probabilities."""
        counts = self.calibration
        return float("nan") if counts is None else calibration_error(counts)

    @cached_property
    def intervals(self) -> Intervals | None:
        """95 % intervals by the bootstrap over images; None of a single image."""
        return bootstrap(self.picture_counts, self.counted, self.absent)

    @cached_property
    def picture_scores(self) -> np.ndarray:
        """mIoU of every image over the counted classes that it or its prediction has.

        Float64 (images,) in 0..1; NaN of an image without a labelled pixel.
        """
        right, labelled, predicted = np.moveaxis(self.picture_counts, 1, 0)
        iou = metrics.iou_of(right, labelled, predicted)
        means = [metrics.mean_of_classes(row, self.counted) for row in iou]
        empty = ~labelled.any(axis=1)
        return np.where(empty, np.nan, np.array(means, float))

    @property
    def ranking(self) -> list[int]:
        """Positions of the images with a score, the worst first."""
        order = np.argsort(self.picture_scores, kind="stable")
        return [int(i) for i in order if not np.isnan(self.picture_scores[i])]

    def mean(self, scores: np.ndarray) -> float:
        """Mean of scores (C,) over the counted classes; absent ones as in `miou`."""
        return metrics.mean_of_classes(scores, self.counted, self.absent)
