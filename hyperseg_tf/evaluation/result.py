"""The scores of one evaluation, for people, for programs and as pictures."""

import json
import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hyperseg_tf import visualise
from hyperseg_tf.base.atomic import atomic_file
from hyperseg_tf.base.versions import versions
from hyperseg_tf.evaluation import metrics


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The scores of one model on one split under one protocol.

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

    def table(self) -> str:
        """Per-class IoU and the mean as text, for people."""
        width = max(len("class"), *(len(self.names[i]) for i in self.counted))
        labelled = self.matrix.sum(axis=1)
        total = max(1, int(labelled.sum()))
        lines = [
            f"{self.protocol}: {self.model} on {self.dataset} {self.split}, "
            f"{self.images} image{'s' * (self.images != 1)}",
            f"{'class':<{width}}  {'IoU %':>6}  {'pixels %':>8}",
        ]
        for i in self.counted:
            iou = self.iou[i]
            score = "absent" if np.isnan(iou) else f"{100 * iou:.2f}"
            share = 100 * labelled[i] / total
            lines.append(f"{self.names[i]:<{width}}  {score:>6}  {share:>8.3f}")
        lines.append(f"{'mIoU':<{width}}  {100 * self.miou:>6.2f}")
        lines.append(f"{'pixel accuracy':<{width}}  {100 * self.pixel_accuracy:>6.2f}")
        if self.passes:
            lines.append(f"{self.passes}: not one pass, as published scores mostly are")
        elif self.in_windows:
            lines.append(
                f"too large for the network as a whole, so seen through windows: "
                f"{self.in_windows} of {self.images} images"
            )
        if self.one_void:
            lines.append(
                "the data know one kind of void, and all of it counted: not comparable "
                f"with published {self.protocol}"
            )
        if not labelled.sum():
            return f"{lines[0]}: no labelled pixel, so no score"
        if self.left_out:
            what = "counted as 0" if self.absent == "zero" else "left out of the mean"
            lines.append(
                f"{what}, in neither label nor prediction: {', '.join(self.left_out)}"
            )
        return "\n".join(lines)

    def as_data(self) -> dict[str, Any]:
        """Return everything as JSON-able data; NaN becomes None."""
        return {
            "protocol": self.protocol,
            "model": self.model,
            "dataset": self.dataset,
            "split": self.split,
            "images": self.images,
            "input_size": self.input_size and list(self.input_size),
            "absent": self.absent,
            "passes": self.passes,
            "in_windows": self.in_windows,
            "one_void": self.one_void,
            "read_labels": self.read_labels,
            "miou": _number(self.miou),
            "pixel_accuracy": _number(self.pixel_accuracy),
            "iou": {self.names[i]: _number(self.iou[i]) for i in self.counted},
            "left_out": list(self.left_out),
            "classes": list(self.names),
            "matrix": self.matrix.tolist(),
            "versions": self.versions,
        }

    def write_json(self, path: str | os.PathLike) -> None:
        """Write `as_data`, atomically."""
        with atomic_file(path) as temporary:
            text = json.dumps(self.as_data(), indent=2, allow_nan=False)
            temporary.write_text(text + "\n", encoding="utf-8")

    def write_confusion_png(self, path: str | os.PathLike) -> None:
        """Draw the confusion matrix, atomically."""
        title = f"{self.protocol}, {self.dataset} {self.split}"
        title += f": mIoU {100 * self.miou:.2f} %"
        visualise.confusion_png(path, self.matrix, self.names, self.iou, title)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
