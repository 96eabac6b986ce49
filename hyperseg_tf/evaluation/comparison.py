"""Two scores beside each other, where they are of the same thing."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.evaluation.paired import paired_differences
from hyperseg_tf.evaluation.result import Evaluation

# What has to be the same, and what a person calls it.
_SAME = (
    ("protocol", "protocol"),
    ("dataset", "data"),
    ("split", "split"),
    ("images", "number of images"),
    ("pictures", "images"),
    ("iou", "classes"),
    ("absent", "rule for absent classes"),
    ("one_void", "void"),
)


def read_scores(path: str | Path) -> dict[str, Any]:
    """What `Evaluation.write_json` wrote.

    Raises:
        UserError: It cannot be read, or is something else.
    """
    try:
        found = json.loads(Path(path).read_text("utf-8"))
        if not isinstance(found["iou"], dict) or not isinstance(found["protocol"], str):
            raise ValueError("it has no scores")
        return found
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"{path}: scores are a file that `evaluate --json` wrote: {error}; name "
            "another."
        ) from None


def differences(
    ours: Evaluation | Mapping, theirs: Evaluation | Mapping
) -> dict[str, Any] | None:
    """What `compare` tells, as data: see `paired.paired_differences`.

    Raises:
        UserError: As `compare`.
    """
    ours, theirs = (_data(scores) for scores in (ours, theirs))
    check_comparable(ours, theirs)
    return paired_differences(ours, theirs)


def compare(ours: Evaluation | Mapping, theirs: Evaluation | Mapping) -> str:
    """Both scores and their difference, class by class, as text.

    Differences have 95 % intervals by the bootstrap over images, both models scored on
    the same drawings; those that lie to one side of 0 are marked.

    Args:
        ours: An evaluation, or what `read_scores` gave.
        theirs: What it is compared with; differences are `ours` minus `theirs`.

    Raises:
        UserError: They are not of one protocol, one set of images and one rule.
    """
    ours, theirs = (_data(scores) for scores in (ours, theirs))
    check_comparable(ours, theirs)
    lines = [
        f"{ours['protocol']} on {ours['dataset']} {ours['split']}: {ours['model']} "
        f"against {theirs['model']}"
    ]
    width = max(len("pixel accuracy"), *map(len, ours["iou"]))
    paired = paired_differences(ours, theirs)
    header = f"{'class':<{width}}  {'IoU %':>6}  {'before':>6}  {'more':>6}"
    lines.append(header + (f"  {'95 % of more':>16}" if paired else ""))
    of_class = paired["iou"] if paired else {}
    rows = [(n, v, theirs["iou"][n], of_class.get(n)) for n, v in ours["iou"].items()]
    rows += [
        (name, ours.get(key), theirs.get(key), (paired or {}).get(key))
        for name, key in (("mIoU", "miou"), ("pixel accuracy", "pixel_accuracy"))
    ]
    for name, now, before, told in rows:
        more = None if now is None or before is None else now - before
        more = "-" if more is None else f"{100 * more:+.2f}"
        lines.append(
            f"{name:<{width}}  {_percent(now):>6}  {_percent(before):>6}  {more:>6}"
            f"{_between(told)}"
        )
    lines.append(_verdict(paired, theirs))
    for scores in (ours, theirs):
        low, high = (scores.get("intervals") or {}).get("miou") or (None, None)
        if low is not None:
            lines.append(
                f"{scores['model']}: 95 % of mIoU {_percent(low)} to {_percent(high)}"
            )
        if scores.get("passes"):
            lines.append(f"{scores['model']}: {scores['passes']}")
    return "\n".join(lines)


def _between(told: Mapping | None) -> str:
    if told is None:
        return ""
    low, high = (f"{100 * end:+.2f}" for end in told["interval"])
    sign = "" if told["sign"] == "undecided" else f"  {told['sign']}"
    return f"  {low + ' to ' + high:>16}{sign}"


def _verdict(paired: Mapping | None, theirs: Mapping) -> str:
    """What the difference of mIoU says of the models, in a line."""
    told = paired and paired["miou"]
    if not told:
        few = len(theirs.get("pictures") or ()) < 2
        why = "there are fewer than two images"
        if not few:
            why = (
                f"the scores of {theirs['model']} are without counts of each image; "
                "evaluate it again"
            )
        return f"no interval of the difference: {why}"
    low, high = (f"{100 * end:+.2f}" for end in told["interval"])
    if told["sign"] == "undecided":
        return f"mIoU is not told apart: 95 % of the difference, {low} to {high}, has 0"
    return f"mIoU is {told['sign']}: 95 % of the difference is {low} to {high}"


def check_comparable(ours: Mapping, theirs: Mapping) -> None:
    """Raise `UserError` unless both are scores of the same thing.

    What `ours` does not say yet is not asked.
    """
    for key, what in _SAME:
        if key not in ours:
            continue
        mine, other = (_named(key, scores.get(key)) for scores in (ours, theirs))
        if mine != other:
            shown = "" if key in ("pictures", "iou") else f": got {mine} and {other}"
            raise UserError(
                "scores are compared under one protocol, on the same images: not the "
                f"same {what}{shown}; evaluate both models in the same way."
            )


def _named(key: str, value: Any) -> Any:
    if key == "pictures":
        return [picture.get("name") for picture in value or ()]
    return list(value or ()) if key == "iou" else value


def _data(scores: Evaluation | Mapping) -> Mapping:
    return scores.as_data() if isinstance(scores, Evaluation) else scores


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"
