"""Score a model on labelled data under a named protocol."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from hyperseg_tf import protocols, visualise
from hyperseg_tf.base.atomic import atomic_file
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.progress import Progress, bar
from hyperseg_tf.base.versions import versions
from hyperseg_tf.evaluation import metrics
from hyperseg_tf.inference.segmenter import Segmenter, class_names, open_model
from hyperseg_tf.protocols import Protocol
from pipelines import Dataset, load_sample, open_dataset


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


def evaluate(
    model: keras.Model | str | Path,
    data: Dataset | str | Path,
    protocol: str | Protocol = "own-folder",
    *,
    split: str | None = None,
    batch_size: int = 1,
    absent: str = "skip",
    image_size: tuple[int, int] | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Score a model; predictions are compared at the label's own size.

    Args:
        model: A model, or its `.keras` file.
        data: A `pipelines.Dataset`, or the folder of one.
        protocol: Name in `hyperseg_tf.protocols`, or a `Protocol`.
        split: Part of a folder, "val" by default; None for a `Dataset`.
        batch_size: Images of one size that go through the network together.
        absent: "skip" leaves classes in neither label nor prediction out of the
            mean, "zero" counts them as 0, as the released script does.
        image_size: (height, width) that the network sees; None for the protocol's.
        progress: Called with (images done, images in all).

    Raises:
        UserError: The model or data cannot be read, the model was trained for other
            classes, or the data do not fit the protocol.
        ValueError: An argument is out of range.
    """
    metrics.check_absent(absent)
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1: got {batch_size}.")
    if isinstance(protocol, str):
        protocol = protocols.get(protocol)
    data = _open_data(data, split)
    source = str(model) if isinstance(model, str | Path) else model.name
    model = open_model(model)
    where = f"{data.name} ({data.split})"
    protocol.check_data(data.classes.names, where)
    names, counted = _model_classes(model, protocol, data.classes.names, source)
    if image_size is None and protocol.input_size == "preset":
        image_size = getattr(getattr(model, "preset", None), "image_size", None)

    segmenter = Segmenter(model, image_size)
    matrix = metrics.ConfusionMatrix(len(names))
    progress = progress or bar("evaluating")
    done = 0
    for images, labels in _batches(data, protocol, batch_size):
        matrix.update_state(labels, segmenter.class_maps(images))
        done += len(images)
        progress(done, len(data))
    return Evaluation(
        protocol=protocol.name,
        model=source,
        dataset=data.name,
        split=data.split,
        images=done,
        names=names,
        counted=counted,
        matrix=matrix.counts(),
        absent=absent,
        input_size=image_size and tuple(image_size),
    )


def _open_data(data, split: str | None) -> Dataset:
    if not isinstance(data, str | Path):
        if split is not None and split != data.split:
            raise ValueError(
                f"an open dataset has its split, {data.split}: got {split=}; open "
                "the other one."
            )
        return data
    return open_dataset(data, split or "val")


def _model_classes(
    model: keras.Model, protocol: Protocol, data_names: Sequence[str], source: str
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Names of the logits' channels and the indices that count.

    A model with void as one class more than the protocol counts is welcome: where it
    says void on a labelled pixel, that is a miss.
    """
    wanted = protocol.model_classes(data_names)
    counted = tuple(range(len(wanted)))
    channels = model.output_shape[-1]
    names = class_names(model)
    if names is None:
        names = [*wanted, "void"] if channels == len(wanted) + 1 else list(wanted)
    for accepted in (list(wanted), [*wanted, "void"]):
        if protocols.same_classes(names, accepted) and channels == len(accepted):
            return tuple(accepted), counted
    if protocols.same_classes(names, wanted):
        what = f"{channels} output channels instead of {len(wanted)}"
    else:
        what = protocols.difference(names, wanted)
    raise UserError(
        "a model is scored on the classes it was trained for: "
        f"{source} has {what}; evaluate it on data with its classes or train on these."
    )


def _batches(
    data: Dataset, protocol: Protocol, batch_size: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Consecutive samples of one size, together."""
    images: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    for i in range(len(data)):
        sample = load_sample(data, i)
        image = sample["image"]
        label = protocol.label(sample["label"], str(data[i].label_source))
        if images and (len(images) == batch_size or image.shape != images[0].shape):
            yield np.stack(images), np.stack(labels)
            images, labels = [], []
        images.append(image)
        labels.append(label)
    if images:
        yield np.stack(images), np.stack(labels)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
