"""Score a model on labelled data under a named protocol."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from hyperseg_tf import protocols
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.progress import Progress, bar
from hyperseg_tf.evaluation import metrics
from hyperseg_tf.evaluation.drawing import draw_ends
from hyperseg_tf.evaluation.instances import Instances, files_of
from hyperseg_tf.evaluation.label_ids import saving
from hyperseg_tf.evaluation.labelled import open_data
from hyperseg_tf.evaluation.leak import KINDS, refuse_leak
from hyperseg_tf.evaluation.result import Evaluation
from hyperseg_tf.evaluation.samples import batches
from hyperseg_tf.evaluation.tally import Tally
from hyperseg_tf.evaluation.task import model_classes
from hyperseg_tf.inference.finite import NotFinite
from hyperseg_tf.inference.memory import out_of_memory
from hyperseg_tf.inference.passes import Passes
from hyperseg_tf.inference.pictures import DECODED, MAX_PIXELS, limit_for
from hyperseg_tf.inference.segmenter import Segmenter, open_model
from hyperseg_tf.pipelines import Dataset, with_void_as_class
from hyperseg_tf.protocols import Protocol

__all__ = ["Evaluation", "evaluate"]


def evaluate(
    model: keras.Model | str | Path,
    data: Dataset | str | Path,
    protocol: str | Protocol = "own-folder",
    *,
    split: str | None = None,
    batch_size: int = 1,
    absent: str = "skip",
    image_size: tuple[int, int] | None = None,
    passes: Passes | None = None,
    max_pixels: int = MAX_PIXELS,
    progress: Progress | None = None,
    class_maps: Callable[[np.ndarray], np.ndarray] | None = None,
    label_ids: str | Path | None = None,
    labels: str | None = None,
    calibration: bool = False,
    draw: str | Path | None = None,
    draw_count: int = 5,
    leak: str = "exact",
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
        passes: Windows, sizes and mirror images of every image; None for one pass.
            Windows are of the images as they are, whatever size the protocol names.
        max_pixels: Of an image that the network sees as a whole, padding included;
            larger ones are seen through windows of the size that the preset is for.
        progress: Called with (images done, images in all).
        class_maps: What answers in place of the model, uint8 (B, H, W, 3) to uint8
            (B, H, W): an export of it, which sees every image as a whole, once. None
            for the model itself.
        label_ids: New folder for the predictions as PNGs of the values that the data's
            label files have, as benchmarks' servers take them; None writes none.
        labels: How label files are read, as of `open_dataset`; empty for as the class
            file says. None reads those of a folder as the model's training did, which
            a line on stderr says, and leaves a `Dataset` as it is.
        calibration: Measure the calibration error, too, for which the probabilities are
            computed.
        draw: New folder for pictures of the worst and the best images.
        draw_count: How many of either.
        leak: What is done where the model's file lies in the folder of its run and
            `data` have pictures of that training: "exact" refuses files that are the
            same, "near" refuses nearly the same pictures, too, for which all are
            decoded, "allow" scores them and says so.

    Raises:
        UserError: The model or data cannot be read, the model was trained for other
            classes, or on these pictures, the data do not fit the protocol, an image
            is too large for the network or the memory, or logits are not finite; the
            last name the image.
        ValueError: An argument is out of range.
    """
    metrics.check_absent(absent)
    if batch_size < 1 or draw_count < 1:
        raise ValueError(
            "batch_size and draw_count must be at least 1: got "
            f"{batch_size} and {draw_count}."
        )
    if isinstance(protocol, str):
        protocol = protocols.get(protocol)
    if leak not in KINDS:
        raise ValueError(f"leak is one of {', '.join(KINDS)}: got {leak!r}.")
    if class_maps is not None and (passes is not None or calibration):
        raise ValueError(
            "what answers in place of the model sees every image as a whole, once, and "
            f"gives no probabilities: got {passes=} and {calibration=}, too; leave "
            "them out."
        )
    passes = passes or Passes()
    from_file = isinstance(model, str | Path)
    source = str(model) if from_file else model.name
    model = open_model(model)
    data = open_data(data, split, labels, model)
    if protocol.void_class is not None:
        data = with_void_as_class(data)
    where = f"{data.name} ({data.split})"
    protocol.check_data(data.classes.names, where)
    said = refuse_leak(source, data, leak) if from_file else ""
    names, counted = model_classes(model, protocol, data.classes.names, source)
    if image_size is None and protocol.input_size == "preset" and passes.window is None:
        image_size = getattr(getattr(model, "preset", None), "image_size", None)

    limit = limit_for(model, image_size, max_pixels)
    in_parts = None
    if class_maps is None:
        segmenter = Segmenter(model, image_size, passes, max_pixels)
        class_maps, in_parts, limit = segmenter.class_maps, segmenter.window, DECODED
    answer = class_maps
    if calibration:
        answer = segmenter.confident_maps
    tally = Tally(len(names))
    instance_files = files_of(data, protocol)
    instances = Instances(protocol) if instance_files else None
    progress = progress or bar("evaluating")
    done = 0
    num_in_parts = 0
    with saving(label_ids, data, len(names)) as save:
        for images, labels in batches(data, protocol, batch_size, limit):
            try:
                answers = _answered(answer, images)
            except NotFinite as error:
                source = data[done + error.index].image_source
                raise UserError(f"{source}: {error}") from error
            maps, *confidence = answers if calibration else (answers,)
            for i, class_map in enumerate(maps):
                tally.add(labels[i], class_map, *(each[i] for each in confidence))
                if instances:
                    instances.add(instance_files[done + i], class_map)
                save(done + i, class_map)
            if in_parts and in_parts(images.shape[1:3]):
                num_in_parts += len(images)
            done += len(images)
            progress(done, len(data))
    result = Evaluation(
        protocol=protocol.name,
        model=source,
        dataset=data.name,
        split=data.split,
        images=done,
        names=names,
        counted=counted,
        matrix=tally.matrix,
        pictures=tuple(sample.name for sample in data.samples),
        picture_counts=np.array(tally.pictures).reshape(done, 3, len(names)),
        boundary=tally.boundary,
        sizes=tally.sizes,
        calibration=tally.calibration if calibration else None,
        categories=protocol.categories,
        instances=instances,
        leak=said,
        absent=absent,
        input_size=image_size and tuple(image_size),
        passes=str(passes),
        in_windows=num_in_parts,
        one_void=protocol.void_class is not None
        and not protocol.has_void(data.classes.names),
        read_labels=str(data.classes.reading),
    )
    if draw is not None:
        draw_ends(result, data, protocol, class_maps, draw, draw_count)
    return result


def _answered(class_maps: Callable, images: np.ndarray) -> np.ndarray:
    try:
        return class_maps(images)
    except Exception as error:
        if not out_of_memory(error):
            raise
        count, height, width = images.shape[:3]
        raise UserError(
            f"memory must suffice for {count} images of {height}x{width}: it does not; "
            "lower the batch size, give the network a smaller size (--size) or smaller "
            "windows (--window)."
        ) from error
