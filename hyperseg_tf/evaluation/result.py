"""An evaluation for people, for programs and as a picture."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hyperseg_tf import visualise
from hyperseg_tf.base.atomic import atomic_file
from hyperseg_tf.evaluation.boundary import WIDTH
from hyperseg_tf.evaluation.intervals import LEVEL, RESAMPLES
from hyperseg_tf.evaluation.metrics import mean_of_classes
from hyperseg_tf.evaluation.object_sizes import LIMITS, SIZES
from hyperseg_tf.evaluation.scores import Scores
from hyperseg_tf.evaluation.table import table


@dataclass(frozen=True, kw_only=True)
class Evaluation(Scores):
    """The scores of one model on one split under one protocol, to be shown and kept.

    The attributes are those of `Scores`.
    """

    def table(self) -> str:
        """Per-class scores and their means as text, for people."""
        return table(self)

    def as_data(self) -> dict[str, Any]:
        """Return everything as JSON-able data; NaN becomes None."""
        return {
            "protocol": self.protocol,
            "model": self.model,
            "dataset": self.dataset,
            "split": self.split,
            "images": self.images,
            "input_size": self.input_size and list(self.input_size),
            "passes": self.passes,
            "in_windows": self.in_windows,
            "absent": self.absent,
            "one_void": self.one_void,
            "read_labels": self.read_labels,
            "leak": self.leak,
            "miou": _number(self.miou),
            "pixel_accuracy": _number(self.pixel_accuracy),
            "frequency_weighted_iou": _number(self.frequency_weighted_iou),
            "mean_dice": _number(self.mean(self.dice)),
            "mean_accuracy": _number(mean_of_classes(self.accuracy, self.counted)),
            "iou": self._by_class(self.iou),
            "dice": self._by_class(self.dice),
            "accuracy": self._by_class(self.accuracy),
            "left_out": list(self.left_out),
            "boundary": {
                "width": WIDTH,
                "miou": _number(self.mean(self.boundary_iou)),
                "iou": self._by_class(self.boundary_iou),
            },
            "sizes": {
                "limits": list(LIMITS),
                **{
                    size: {
                        "miou": _number(mean_of_classes(iou, self.counted)),
                        "iou": self._by_class(iou),
                    }
                    for size, iou in zip(SIZES, self.size_iou, strict=True)
                },
            },
            "categories": self._categories(self.categories, self.category_iou),
            "instances": self._instances(),
            "calibration": self._calibration(),
            "intervals": self._intervals(),
            "pictures": self._pictures(),
            "classes": list(self.names),
            "matrix": self.matrix.tolist(),
            "versions": self.versions,
        }

    def _by_class(self, scores: np.ndarray) -> dict[str, float | None]:
        return {self.names[i]: _number(scores[i]) for i in self.counted}

    def _pictures(self) -> list[dict[str, Any]]:
        """Name, score and, of the classes that it or its prediction has, counts."""
        rows = zip(self.pictures, self.picture_scores, self.picture_counts, strict=True)
        return [
            {
                "name": name,
                "miou": _number(score),
                "counts": {
                    self.names[k]: counts[:, k].tolist()
                    for k in np.flatnonzero(counts.any(axis=0))
                },
            }
            for name, score, counts in rows
        ]

    def _categories(self, categories, scores: np.ndarray) -> dict[str, Any] | None:
        if not categories:
            return None
        names = [name for name, _ in categories]
        numbers = [_number(score) for score in scores]
        return {
            "miou": _number(mean_of_classes(scores, range(len(scores)))),
            "iou": dict(zip(names, numbers, strict=True)),
        }

    def _instances(self) -> dict[str, Any] | None:
        if self.instances is None:
            return None
        names = [(self.names[k], ()) for k in self.instances.classes]
        of_categories = self.instances.category_iou(self.matrix)
        return {
            "classes": self._categories(names, self.instances.iou(self.matrix)),
            "categories": self._categories(self.instances.categories, of_categories),
        }

    def _calibration(self) -> dict[str, Any] | None:
        if self.calibration is None:
            return None
        pixels, confidence, right = self.calibration.tolist()
        return {
            "error": _number(self.calibration_error),
            "pixels": pixels,
            "sum_of_confidences": confidence,
            "right": right,
        }

    def _intervals(self) -> dict[str, Any] | None:
        if self.intervals is None:
            return None
        pairs = [[_number(x) for x in pair] for pair in self.intervals.iou]
        return {
            "method": "percentiles of a bootstrap over images",
            "level": LEVEL,
            "resamples": RESAMPLES,
            "miou": [_number(x) for x in self.intervals.miou],
            "pixel_accuracy": [_number(x) for x in self.intervals.pixel_accuracy],
            "iou": {self.names[i]: pairs[i] for i in self.counted},
        }

    def write_json(
        self, path: str | os.PathLike, against: Mapping[str, Any] | None = None
    ) -> None:
        """Write `as_data`, atomically.

        Args:
            path: Of the file.
            against: Of `paired_differences` to another model, to be kept with it.
        """
        data = self.as_data() | ({"against": against} if against else {})
        with atomic_file(path) as temporary:
            text = json.dumps(data, indent=2, allow_nan=False)
            temporary.write_text(text + "\n", encoding="utf-8")

    def write_confusion_png(self, path: str | os.PathLike) -> None:
        """Draw the confusion matrix, atomically."""
        title = f"{self.protocol}, {self.dataset} {self.split}"
        title += f": mIoU {100 * self.miou:.2f} %"
        visualise.confusion_png(path, self.matrix, self.names, self.iou, title)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
