"""Several runs beside each other, and those that differ in their seed as one.

Scores stand in one table only where they are of the same thing: the same validation
while training, or the same protocol on the same images.
"""

import json
import math
import statistics
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from hyperseg_tf.reporting.beside import Scored
from hyperseg_tf.reporting.costs import Costs
from hyperseg_tf.reporting.curves import Line, chart
from hyperseg_tf.reporting.markup import Markup, cut, element, percent, table
from hyperseg_tf.reporting.run import Run

# Runs whose classes are columns of one table.
_COLUMNS = 8


def side_by_side(
    runs: Sequence[Run], costs: Sequence[Costs], anchors: Sequence[str]
) -> Markup:
    """Tables and curves of several runs.

    Args:
        runs: In the order in which they were named.
        costs: Of each.
        anchors: Of their sections, to be linked to.
    """
    return element(
        "section",
        element("h2", "Side by side"),
        _overview(runs, costs, anchors),
        element(
            "p",
            "Scores stand in one table where they are of the same images, classes and "
            "rules; what differs in any of these has a table of its own.",
            class_="note",
        ),
        [_validation(group) for group in _grouped(runs, lambda run: run.validation)],
        _evaluations(runs),
    )


def seeds(runs: Sequence[Run]) -> list[list[Run]]:
    """Runs whose recipe, data and initial weights are the same but for the seed.

    A seed that occurs twice is one run repeated, and counts once.
    """
    found = []
    for group in _grouped(runs, lambda run: run.recipe_but_seed):
        by_seed = {_key(run.seed): run for run in group}
        if len(by_seed) > 1:
            found.append(list(by_seed.values()))
    return found


def _overview(runs, costs, anchors) -> Markup:
    header = (
        "run",
        "preset",
        "seed",
        "epochs",
        "parameters",
        "G multiply-adds",
        "latency ms",
    )
    rows = []
    for run, cost, anchor in zip(runs, costs, anchors, strict=True):
        count, timed = cost.count, cost.timed
        size = count and "{}x{}".format(*count.size)
        rows.append(
            (
                element("a", run.name, href=f"#{anchor}"),
                cut(run.recipe.get("preset", "?"), 60),
                cut(run.seed, 20),
                f"{run.rows[-1]['epoch']} of {cut(run.recipe.get('epochs'), 12)}",
                f"{count.parameters:,}" if count else "–",
                f"{count.total / 1e9:.2f} at {size}" if count else "–",
                "{:.1f} at {}x{}".format(timed.median_ms, *timed.size)
                if timed
                else "–",
            )
        )
    return table(header, rows)


def _validation(runs: Sequence[Run]) -> Markup:
    """Runs whose validation is of the same data, in the same way."""
    first = runs[0]
    data = cut(first.data.get("directory", "?"), 200)
    title = f"Validation of the training: {data}, {cut(first.validation['split'], 40)}"
    ranked = sorted(runs, key=lambda run: -_number(run.best["val_miou"]))
    rows = [
        (
            run.name,
            percent(run.best["val_miou"]),
            str(run.best["epoch"]),
            cut(run.seed, 20),
        )
        for run in ranked
    ]
    lines = [
        Line(
            run.name,
            [(row["epoch"], row["val_miou"]) for row in run.rows],
            run.best["epoch"],
        )
        for run in runs
    ]
    return element(
        "div",
        element("h3", title),
        table(("run", "best mIoU %", "epoch", "seed"), rows),
        _over_seeds(runs, lambda run: run.best["val_miou"]),
        element("div", chart("mIoU of the validation", lines), class_="charts"),
        _by_class([(run.name, run.class_iou()) for run in runs])
        if len(runs) > 1
        else None,
    )


def _evaluations(runs: Sequence[Run]) -> Markup | None:
    pairs = [(run, scored) for run in runs for scored in run.beside.scored]
    groups = _grouped(pairs, lambda pair: pair[1].meaning)
    return element("div", [_evaluation(group) for group in groups]) if pairs else None


def _evaluation(pairs: Sequence[tuple[Run, Scored]]) -> Markup:
    scored = pairs[0][1]
    title = (
        f"Evaluation: {scored.title}, {cut(scored.data.get('images', '?'), 20)} images"
    )
    ranked = sorted(pairs, key=lambda pair: -_number(pair[1].miou))
    rows = []
    for run, found in ranked:
        low, high = found.interval() or (None, None)
        between = "–" if low is None else f"{percent(low)} to {percent(high)}"
        rows.append((run.name, cut(found.name, 200), percent(found.miou), between))
    by_run = {}
    for run, found in pairs:
        by_run.setdefault(run.name, found.miou)
    return element(
        "div",
        element("h3", title),
        table(("run", "file", "mIoU %", "95 % of"), rows),
        _over_seeds([run for run, _ in pairs], lambda run: by_run[run.name]),
        _by_class([(run.name, found.iou) for run, found in pairs])
        if len(pairs) > 1
        else None,
    )


def _over_seeds(
    runs: Sequence[Run], score: Callable[[Run], float | None]
) -> Markup | None:
    """Mean and standard deviation of the groups of seeds, where there are any."""
    unique = list({run.name: run for run in runs}.values())
    rows = []
    for group in seeds(unique):
        found = [(run, _number(score(run))) for run in group]
        values = [value for _, value in found if value >= 0]
        if len(values) < 2:
            continue
        mean, spread = statistics.fmean(values), statistics.stdev(values)
        rows.append(
            (
                ", ".join(run.name for run, _ in found),
                ", ".join(cut(run.seed, 20) for run, _ in found),
                f"{percent(mean)} ± {percent(spread)}",
            )
        )
    if not rows:
        return None
    return element(
        "div",
        element("h4", "One recipe, several seeds"),
        table(("runs", "seeds", "mIoU %, mean ± standard deviation"), rows),
    )


def _by_class(columns: Sequence[tuple[str, dict[str, float | None]]]) -> Markup | None:
    columns = columns[:_COLUMNS]
    names = list(dict.fromkeys(name for _, iou in columns for name in iou))
    if not names:
        return None
    rows = [
        (cut(name, 100), *(percent(iou.get(name)) for _, iou in columns))
        for name in names
    ]
    shown = table(("IoU %", *(name for name, _ in columns)), rows)
    return element("details", element("summary", "By class"), shown)


def _grouped(items: Sequence, key: Callable[[Any], Any]) -> list[list]:
    groups: dict[Hashable, list] = {}
    for item in items:
        groups.setdefault(_key(key(item)), []).append(item)
    return list(groups.values())


def _key(value: Any) -> str:
    try:
        return json.dumps(value, sort_keys=True)
    except RecursionError:
        return repr(id(value))


def _number(value: float | None) -> float:
    return -1.0 if value is None or math.isnan(value) else value
