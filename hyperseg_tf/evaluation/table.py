"""The scores of an evaluation as text, for people."""

from collections.abc import Sequence

import numpy as np

from hyperseg_tf.evaluation.metrics import mean_of_classes
from hyperseg_tf.evaluation.object_sizes import SIZES
from hyperseg_tf.evaluation.scores import Scores

# Pictures named at either end.
_SHOWN = 3


def table(result: Scores) -> str:
    """Per-class scores, means, and what must be known to read them."""
    title = (
        f"{result.protocol}: {result.model} on {result.dataset} {result.split}, "
        f"{result.images} image{'s' * (result.images != 1)}"
    )
    if not result.matrix.sum(axis=1).any():
        return f"{title}: no labelled pixel, so no score"
    lines = [title, *_classes(result), *_means(result), *_groups(result)]
    return "\n".join([*lines, *_pictures(result), *_remarks(result)])


def _classes(result: Scores) -> list[str]:
    width = max(len("pixel accuracy"), *(len(result.names[i]) for i in result.counted))
    labelled = result.matrix.sum(axis=1)
    total = max(1, int(labelled.sum()))
    spread = result.intervals
    heads = f"{'boundary':>8}  {'Dice':>6}  {'accuracy':>8}  {'pixels %':>8}"
    between = f"  {'95 % of':>14}" if spread else ""
    lines = [f"{'class':<{width}}  {'IoU %':>6}{between}  {heads}"]
    for i in result.counted:
        iou = "absent" if np.isnan(result.iou[i]) else f"{100 * result.iou[i]:.2f}"
        between = f"  {_between(spread.iou[i]):>14}" if spread else ""
        lines.append(
            f"{result.names[i]:<{width}}  {iou:>6}{between}  "
            f"{_percent(result.boundary_iou[i]):>8}  {_percent(result.dice[i]):>6}  "
            f"{_percent(result.accuracy[i]):>8}  {100 * labelled[i] / total:>8.3f}"
        )
    between = f"  {_between(spread.miou):>14}" if spread else ""
    accuracy = mean_of_classes(result.accuracy, result.counted)
    lines.append(
        f"{'mIoU':<{width}}  {100 * result.miou:>6.2f}{between}  "
        f"{_percent(result.mean(result.boundary_iou)):>8}  "
        f"{_percent(result.mean(result.dice)):>6}  {_percent(accuracy):>8}"
    )
    between = f"  {_between(spread.pixel_accuracy):>14}" if spread else ""
    name = f"{'pixel accuracy':<{width}}"
    return [*lines, f"{name}  {100 * result.pixel_accuracy:>6.2f}{between}"]


def _means(result: Scores) -> list[str]:
    sizes = (
        f"{size} {_percent(mean_of_classes(iou, result.counted))}"
        for size, iou in zip(SIZES, result.size_iou, strict=True)
    )
    lines = [
        f"frequency-weighted IoU {100 * result.frequency_weighted_iou:.2f}",
        f"mIoU by size of objects: {', '.join(sizes)}",
    ]
    if result.calibration is not None:
        lines.append(f"calibration error {_percent(result.calibration_error)}")
    return lines


def _groups(result: Scores) -> list[str]:
    lines = []
    if result.categories:
        names = [name for name, _ in result.categories]
        lines.append(_listed("category IoU", names, result.category_iou))
    if result.instances is not None:
        of = result.instances
        names = [result.names[k] for k in of.classes]
        lines.append(_listed("iIoU", names, of.iou(result.matrix)))
        names = [name for name, _ in of.categories]
        lines.append(_listed("category iIoU", names, of.category_iou(result.matrix)))
    return lines


def _pictures(result: Scores) -> list[str]:
    ranking = result.ranking
    if len(ranking) < 2:
        return []
    shown = min(_SHOWN, len(ranking) // 2)
    ends = (("worst", ranking[:shown]), ("best", ranking[::-1][:shown]))
    return [
        f"{what} by mIoU: "
        + ", ".join(
            f"{result.pictures[i]} {_percent(result.picture_scores[i])}" for i in some
        )
        for what, some in ends
    ]


def _remarks(result: Scores) -> list[str]:
    lines = []
    if result.passes:
        lines.append(f"{result.passes}: not one pass, as published scores mostly are")
    elif result.in_windows:
        lines.append(
            "too large for the network as a whole, so seen through windows: "
            f"{result.in_windows} of {result.images} images"
        )
    if result.one_void:
        lines.append(
            "the data know one kind of void, and all of it counted: not comparable "
            f"with published {result.protocol}"
        )
    if result.leak:
        lines.append(result.leak)
    if result.left_out:
        what = "counted as 0" if result.absent == "zero" else "left out of the mean"
        lines.append(
            f"{what}, in neither label nor prediction: {', '.join(result.left_out)}"
        )
    return lines


def _listed(what: str, names: Sequence[str], scores: np.ndarray) -> str:
    each = ", ".join(
        f"{name} {_percent(score)}" for name, score in zip(names, scores, strict=True)
    )
    mean = mean_of_classes(scores, range(len(scores)))
    return f"{what} {_percent(mean)}: {each}"


def _percent(value: float) -> str:
    return "-" if np.isnan(value) else f"{100 * value:.2f}"


def _between(pair: Sequence[float]) -> str:
    return f"{_percent(pair[0])} to {_percent(pair[1])}"
