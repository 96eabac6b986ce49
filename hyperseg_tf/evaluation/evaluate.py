"""Score a model on labelled data under a named protocol."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from hyperseg_tf import protocols, visualise
from hyperseg_tf.base.atomic import atomic_file
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.limit import Limit
from hyperseg_tf.base.progress import Progress, bar
from hyperseg_tf.base.versions import versions
from hyperseg_tf.evaluation import metrics
from hyperseg_tf.evaluation.label_ids import saving
from hyperseg_tf.evaluation.labelled import open_data
from hyperseg_tf.inference.finite import NotFinite
from hyperseg_tf.inference.memory import out_of_memory
from hyperseg_tf.inference.pictures import MAX_PIXELS, limit_for
from hyperseg_tf.inference.segmenter import Segmenter, class_names, open_model
from hyperseg_tf.protocols import Protocol
from pipelines import Dataset, load_sample, with_void_as_class


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


def evaluate(
    model: keras.Model | str | Path,
    data: Dataset | str | Path,
    protocol: str | Protocol = "own-folder",
    *,
    split: str | None = None,
    batch_size: int = 1,
    absent: str = "skip",
    image_size: tuple[int, int] | None = None,
    max_pixels: int = MAX_PIXELS,
    progress: Progress | None = None,
    class_maps: Callable[[np.ndarray], np.ndarray] | None = None,
    label_ids: str | Path | None = None,
    labels: str | None = None,
) -> Evaluation:
    """Score a model; predictions are compared at the label's own size.

    One sample that cannot be scored ends the evaluation: without it the score would be
    that of other data. `hyperseg-tf data check` lists all such files at once.

    Args:
        model: A model, or its `.keras` file.
        data: A `pipelines.Dataset`, or the folder of one.
        protocol: Name in `hyperseg_tf.protocols`, or a `Protocol`.
        split: Part of a folder, "val" by default; None for a `Dataset`.
        batch_size: Images of one size that go through the network together.
        absent: "skip" leaves classes in neither label nor prediction out of the
            mean, "zero" counts them as 0, as the released script does.
        image_size: (height, width) that the network sees; None for the protocol's.
        max_pixels: Largest image for the network, its padding included.
        progress: Called with (images done, images in all).
        class_maps: What answers in place of the model, uint8 (B, H, W, 3) to uint8
            (B, H, W): an export of it. None for the model itself.
        label_ids: New folder for the predictions as PNGs of the values that the data's
            label files have, as benchmarks' servers take them; None writes none.
        labels: How label files are read, as of `open_dataset`; empty for as the class
            file says. None reads those of a folder as the model's training did, which
            a line on stderr says, and leaves a `Dataset` as it is.

    Raises:
        UserError: The model or data cannot be read, the model was trained for other
            classes, the data do not fit the protocol, an image is too large for the
            network or the memory, or logits are not finite; the last name the image.
        ValueError: An argument is out of range.
    """
    metrics.check_absent(absent)
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1: got {batch_size}.")
    if isinstance(protocol, str):
        protocol = protocols.get(protocol)
    source = str(model) if isinstance(model, str | Path) else model.name
    model = open_model(model)
    data = open_data(data, split, labels, model)
    if protocol.void_class is not None:
        data = with_void_as_class(data)
    where = f"{data.name} ({data.split})"
    protocol.check_data(data.classes.names, where)
    names, counted = _model_classes(model, protocol, data.classes.names, source)
    if image_size is None and protocol.input_size == "preset":
        image_size = getattr(getattr(model, "preset", None), "image_size", None)

    class_maps = class_maps or Segmenter(model, image_size).class_maps
    matrix = metrics.ConfusionMatrix(len(names))
    progress = progress or bar("evaluating")
    done = 0
    limit = limit_for(model, image_size, max_pixels)
    with saving(label_ids, data, len(names)) as save:
        for images, labels in _batches(data, protocol, batch_size, limit):
            try:
                maps = _answered(class_maps, images)
            except NotFinite as error:
                source = data[done + error.index].image_source
                raise UserError(f"{source}: {error}") from error
            matrix.update_state(labels, maps)
            for position, class_map in enumerate(maps, done):
                save(position, class_map)
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
        one_void=protocol.void_class is not None
        and not protocol.has_void(data.classes.names),
        read_labels=str(data.classes.reading),
    )


def _answered(class_maps: Callable, images: np.ndarray) -> np.ndarray:
    try:
        return class_maps(images)
    except Exception as error:
        if not out_of_memory(error):
            raise
        count, height, width = images.shape[:3]
        raise UserError(
            f"memory must suffice for {count} images of {height}x{width}: it does not; "
            "lower the batch size or give the network a smaller size (--size)."
        ) from error


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
    data: Dataset, protocol: Protocol, batch_size: int, limit: Limit
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Consecutive samples of one size, together, none larger than `limit`."""
    images: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    has_void = protocol.has_void(data.classes.names)
    for i in range(len(data)):
        size = data[i].size()
        if size is not None and not limit.holds(*size):
            raise UserError(
                f"{data[i].image_source}: an image for the network may have {limit}: "
                f"got {size[1]}x{size[0]}; give the size for the network (--size HxW)."
            )
        sample = load_sample(data, i)
        image = sample["image"]
        source = str(data[i].label_source)
        label = protocol.label(sample["label"], source, has_void)
        if images and (len(images) == batch_size or image.shape != images[0].shape):
            yield np.stack(images), np.stack(labels)
            images, labels = [], []
        images.append(image)
        labels.append(label)
    if images:
        yield np.stack(images), np.stack(labels)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
