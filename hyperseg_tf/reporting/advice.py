"""What a run's numbers suggest doing next, in words.

Each rule looks at one thing that log.csv, run.json or an evaluation's confusion matrix
shows, says what it saw with the numbers, and one thing to try. None of them fires where
the numbers are missing. They are rules of thumb: what helps is seen by trying.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from hyperseg_tf.reporting.markup import cut
from hyperseg_tf.reporting.run import Run

# A class is thin where it has less of the labelled pixels; weak below so much IoU, and
# below so much of the mean.
_THIN, _WEAK, _BELOW_MEAN = 0.01, 0.3, 0.6
# Still rising: the last third of the epochs gained so much over the one before.
_RISING = 0.01
# Of an epoch's training time.
_WAITED = 0.15
# Of a class's pixels that are taken for one other.
_MISTAKEN = 0.25
# Loss of the validation over its smallest.
_OVERFIT = 1.25
_MOST = 3


@dataclass(frozen=True)
class Advice:
    """One thing that was seen.

    Attributes:
        topic: A few words.
        seen: What was, with its numbers; a sentence.
        try_: What to do about it; a sentence.
    """

    topic: str
    seen: str
    try_: str

    def __str__(self) -> str:
        return f"{self.topic}: {self.seen} {self.try_}"


def advice(run: Run) -> list[Advice]:
    """All that the rules find, the gravest first; empty where nothing stands out."""
    return [found for rule in _RULES for found in rule(run)]


def _not_learning(run: Run) -> Iterator[Advice]:
    first, last = run.rows[0], run.rows[-1]
    if len(run.rows) < 3 or not last["loss"] > 0.95 * first["loss"]:
        return
    yield Advice(
        "nothing is learnt",
        f"the training loss was {first['loss']:.3g} after the first epoch and is "
        f"{last['loss']:.3g} after {len(run.rows)}.",
        "Look at what training sees (hyperseg-tf data show DIR): labels that do not "
        "lie on the pictures, or one class alone; then try a tenth of the learning "
        "rate.",
    )


def _leak(run: Run) -> Iterator[Advice]:
    told = [s for s in run.beside.scored if s.data.get("leak")]
    for scored in told[:1]:
        yield Advice(
            "pictures in two splits",
            f"{scored.path.name} says: {cut(str(scored.data['leak']), 300)}.",
            "The score says little about new pictures: move whole scenes or days to "
            "one split, and train again.",
        )


def _unfinished(run: Run) -> Iterator[Advice]:
    scores = [row["val_miou"] for row in run.rows]
    third = len(scores) // 3
    if third < 1 or any(map(math.isnan, scores)):
        return
    before, after = max(scores[:-third]), max(scores[-third:])
    if after - before < _RISING:
        return
    yield Advice(
        "too short",
        f"the mIoU still rose by {100 * (after - before):.1f} points in the last "
        f"{third} of {len(scores)} epochs.",
        f"Train on: --extend {2 * len(scores)}.",
    )


def _overfit(run: Run) -> Iterator[Advice]:
    losses = [row["val_loss"] for row in run.rows]
    scores = [row["val_miou"] for row in run.rows]
    if len(losses) < 4 or any(map(math.isnan, losses + scores)):
        return
    place = int(np.argmin(losses))
    rose = losses[-1] > _OVERFIT * losses[place] and place < len(losses) - 2
    fell = max(scores) - scores[-1] > _RISING
    if not (rose and fell):
        return
    yield Advice(
        "learnt by heart",
        f"the validation's loss was least in epoch {place + 1} ({losses[place]:.3g}) "
        f"and is {losses[-1]:.3g}; its mIoU fell from {_percent(max(scores))} to "
        f"{_percent(scores[-1])} %.",
        "More pictures help most; else fewer epochs (model.keras is the best one "
        "already), a wider RandomScale, ColourJitter, or a smaller preset.",
    )


def _thin_classes(run: Run) -> Iterator[Advice]:
    shares = _shares(run)
    iou = run.class_iou()
    mean = run.best["val_miou"]
    weak = [n for n, v in iou.items() if v < _WEAK and v < _BELOW_MEAN * mean]
    thin = sorted((n for n in weak if shares.get(n, 1) < _THIN), key=iou.__getitem__)
    if thin:
        listed = ", ".join(
            f"{cut(n, 40)} (IoU {_percent(iou[n])} %, {100 * shares[n]:.2g} % of the "
            "pixels)"
            for n in thin[:_MOST]
        )
        yield Advice(
            "thin classes",
            f"{listed} {'are' if len(thin) > 1 else 'is'} hardly found.",
            _for_thin(run),
        )
    rest = [n for n in weak if n in shares and n not in thin and shares[n] > 0]
    if rest:
        listed = ", ".join(f"{cut(n, 40)} ({_percent(iou[n])} %)" for n in rest[:_MOST])
        yield Advice(
            "weak classes",
            f"{listed}, though not thin.",
            "Look at the worst pictures (evaluate --draw DIR) and at the labels of "
            "these classes: they may not be labelled alike everywhere.",
        )


def _for_thin(run: Run) -> str:
    tried = []
    if not run.recipe.get("loss_class_weights"):
        tried.append("--set loss_class_weights=balanced")
    if "dice" not in str(run.recipe.get("loss")):
        tried.append("--set loss=cross_entropy,dice")
    tried.append("larger crops or a preset that keeps more of the fine features (M, L)")
    return f"Try {', or '.join(tried)}."


def _absent_classes(run: Run) -> Iterator[Advice]:
    for split, what in (
        ("train", "cannot be learnt from"),
        (str(run.recipe.get("evaluate_split", "val")), "cannot be scored on"),
    ):
        absent = [name for name, n in _pixels(run, split).items() if not n]
        if absent:
            listed = ", ".join(cut(name, 40) for name in absent[: 2 * _MOST])
            yield Advice(
                "absent classes",
                f"{split} has no pixel of {listed}: {len(absent)} that {what} it.",
                "Move pictures between the splits, or take the classes out.",
            )


def _imbalance(run: Run) -> Iterator[Advice]:
    shares = _shares(run)
    if len(shares) < 2:
        return
    name = max(shares, key=shares.get)
    if shares[name] < 0.9:
        return
    yield Advice(
        "imbalance",
        f"{cut(name, 40)} has {100 * shares[name]:.1f} % of the labelled pixels, so a "
        "network that says nothing else is right as often.",
        "Look at the IoU of the other classes, not at pixel accuracy; try --set "
        "loss_class_weights=balanced, and crops around the rare classes.",
    )


def _mistaken(run: Run) -> Iterator[Advice]:
    for scored in run.beside.scored[:1]:
        matrix = np.asarray(scored.data["matrix"], np.float64)
        names = [str(name) for name in scored.data["classes"]]
        rows = matrix.sum(axis=1, keepdims=True)
        share = np.divide(matrix, rows, where=rows > 0, out=np.zeros_like(matrix))
        np.fill_diagonal(share, 0)
        order = np.argsort(share, axis=None)[::-1][:_MOST]
        pairs = [divmod(int(place), len(names)) for place in order]
        told = [
            f"{100 * share[i, j]:.0f} % of {cut(names[i], 40)} is taken for "
            f"{cut(names[j], 40)}"
            for i, j in pairs
            if share[i, j] > _MISTAKEN
        ]
        if told:
            yield Advice(
                "mistaken classes",
                f"{', '.join(told)}.",
                "If people cannot tell them apart either, join them; else look at the "
                "labels where they meet.",
            )


def _waiting(run: Run) -> Iterator[Advice]:
    waited = [row["waited"] for row in run.rows if "waited" in row]
    waited = [value for value in waited if not math.isnan(value)]
    if not waited or np.median(waited) < _WAITED:
        return
    yield Advice(
        "waiting for data",
        f"steps waited {100 * np.median(waited):.0f} % of their time for pictures.",
        "Keep them in memory (--set cache=yes), or make them smaller files that are "
        "quicker to read (hyperseg-tf data prepare).",
    )


def _random_weights(run: Run) -> Iterator[Advice]:
    if run.facts.get("weights") != "random":
        return
    yield Advice(
        "random weights",
        "the network started from nothing.",
        "From ImageNet it learns several times as quickly: pip install "
        "'hyperseg_tf[lite]' and --preset hyperseg_s_lite1 --weights imagenet.",
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _pixels(run: Run, split: str) -> dict[str, int]:
    """Labelled pixels of each class of a split, as far as they were counted."""
    counts = (run.facts.get("class_pixels") or {}).get(split)
    names = run.data.get("classes")
    if not isinstance(counts, list) or not isinstance(names, list):
        return {}
    if not all(isinstance(n, int) and n >= 0 for n in counts):
        return {}
    return dict(zip(map(str, names), counts, strict=False))


def _shares(run: Run) -> dict[str, float]:
    """Of the labelled pixels of the training data."""
    counts = _pixels(run, "train")
    total = sum(counts.values())
    return {name: n / total for name, n in counts.items()} if total else {}


_RULES: tuple[Callable[[Run], Iterator[Advice]], ...] = (
    _not_learning,
    _leak,
    _absent_classes,
    _unfinished,
    _overfit,
    _random_weights,
    _thin_classes,
    _imbalance,
    _mistaken,
    _waiting,
)
