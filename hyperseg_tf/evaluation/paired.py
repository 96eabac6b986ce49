"""How far two models differ on other pictures of the same kind: the paired bootstrap.

Both are scored on the same pictures drawn again, so what makes a picture hard for both
cancels out: the interval of the difference is narrower than those of the scores say.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.evaluation.intervals import LEVEL, RESAMPLES, drawn_again, middle
from hyperseg_tf.evaluation.metrics import iou_of, mean_of_classes

# Pixels of one picture; no sum over a data set overflows.
_MOST = 2**40


def paired_differences(ours: Mapping, theirs: Mapping) -> dict[str, Any] | None:
    """Differences `ours` minus `theirs` with their intervals, as JSON-able data.

    Args:
        ours, theirs: `Evaluation.as_data`, of the same pictures and classes.

    Returns:
        "miou", "pixel_accuracy" and, by class, "iou": each with "difference",
        "interval" (low, high) and "sign": "higher" or "lower" where the interval lies
        to one side of 0, else "undecided"; None where there is no number. None
        altogether where a file does not have the counts of each picture, as older ones,
        or there are fewer than two pictures.

    Raises:
        UserError: Counts are damaged.
    """
    both = [_counts(scores) for scores in (ours, theirs)]
    if any(counts is None for counts in both) or len(both[0]) < 2:
        return None
    if len(both[0]) != len(both[1]):
        raise UserError(
            "two models are compared on the same images: got counts of "
            f"{len(both[0])} and {len(both[1])}; evaluate both in the same way."
        )
    # Each drawing is of the rows of both.
    rows = [counts.reshape(len(counts), -1) for counts in both]
    drawn = drawn_again(np.concatenate(rows, axis=1))
    parts = np.split(drawn, [rows[0].shape[1]], axis=1)
    found = [
        _scores(part.reshape(RESAMPLES, *counts.shape[1:]), scores)
        for part, counts, scores in zip(parts, both, (ours, theirs), strict=True)
    ]
    miou, accuracy, iou = (a - b for a, b in zip(*found, strict=True))
    names = list(ours["iou"])
    return {
        "model": theirs.get("model"),
        "method": "percentiles of a paired bootstrap over images",
        "level": LEVEL,
        "resamples": RESAMPLES,
        "miou": _told(ours.get("miou"), theirs.get("miou"), miou),
        "pixel_accuracy": _told(
            ours.get("pixel_accuracy"), theirs.get("pixel_accuracy"), accuracy
        ),
        "iou": {
            name: _told(ours["iou"][name], theirs["iou"][name], iou[:, i])
            for i, name in enumerate(names)
        },
    }


def _scores(drawn: np.ndarray, scores: Mapping):
    """Of drawings (R, 3, C): mIoU (R,), pixel accuracy (R,), IoU (R, counted)."""
    right, labelled, predicted = np.moveaxis(drawn, 1, 0)
    places = [scores["classes"].index(name) for name in scores["iou"]]
    iou = iou_of(right, labelled, predicted)[:, places]
    absent = scores.get("absent", "skip")
    means = [mean_of_classes(row, range(len(places)), absent) for row in iou]
    with np.errstate(invalid="ignore"):
        accuracy = right.sum(axis=1) / labelled.sum(axis=1)
    return np.array(means), accuracy, iou


def _told(ours, theirs, drawn: np.ndarray) -> dict[str, Any] | None:
    low, high = middle(drawn)
    if ours is None or theirs is None or np.isnan(low):
        return None
    sign = "higher" if low > 0 else "lower" if high < 0 else "undecided"
    return {"difference": ours - theirs, "interval": [low, high], "sign": sign}


def _counts(scores: Mapping) -> np.ndarray | None:
    """float64 (pictures, 3, C) of what a file has of each; None where it has none."""
    pictures, names = scores.get("pictures"), scores.get("classes")
    if not pictures or not all(
        isinstance(picture, dict) and "counts" in picture for picture in pictures
    ):
        return None
    try:
        place = {name: i for i, name in enumerate(names)}
        if not set(scores["iou"]) <= set(place):
            raise ValueError("classes without a name")
        found = np.zeros((len(pictures), 3, len(names)))
        for row, picture in zip(found, pictures, strict=True):
            for name, counts in picture["counts"].items():
                right, labelled, predicted = counts
                if not all(type(n) is int and 0 <= n < _MOST for n in counts):
                    raise ValueError(f"{counts} of {name}")
                if right > min(labelled, predicted):
                    raise ValueError(f"{counts} of {name}")
                row[:, place[name]] = right, labelled, predicted
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            "counts of a picture are pixels that are right, labelled and predicted of "
            f"each class: those of {scores.get('model')} are not ({error}); evaluate "
            "it again."
        ) from None
    return found
