"""What a report tells of one run."""

import json
from typing import Any

import numpy as np

from hyperseg_tf.base.duration import duration
from hyperseg_tf.reporting.advice import advice
from hyperseg_tf.reporting.beside import Scored
from hyperseg_tf.reporting.confusion import confusion
from hyperseg_tf.reporting.costs import Costs
from hyperseg_tf.reporting.curves import Line, chart
from hyperseg_tf.reporting.markup import Markup, cut, element, facts, percent, table
from hyperseg_tf.reporting.pictures import picture
from hyperseg_tf.reporting.run import Run
from hyperseg_tf.training.plan import PLAN
from hyperseg_tf.training.scores import IOU, lowest_classes

# Classes whose IoU over the epochs is drawn: the lowest of the best epoch.
_WORST = 5

_COLUMNS = "From left to right: image, label, prediction, errors."


def section(run: Run, costs: Costs, anchor: str) -> Markup:
    """All of one run.

    Raises:
        UserError: A picture cannot be read.
    """
    return element(
        "section",
        element("h2", run.name),
        _summary(run, costs),
        _advice(run),
        element("h3", "Curves"),
        _curves(run),
        element("h3", "IoU of the classes"),
        _classes(run),
        [_scored(scored) for scored in run.beside.scored],
        _pictures(run),
        element("h3", "Recipe"),
        _recipe(run),
        element("h3", "Data"),
        _data(run),
        element("h3", "Environment"),
        _environment(run),
        id=anchor,
    )


def miou_text(scored: Scored) -> str:
    """mIoU of an evaluation with its interval, in per cent."""
    pair = scored.interval()
    between = f" ({percent(pair[0])} to {percent(pair[1])})" if pair else ""
    return f"{percent(scored.miou)} %{between}"


def cost_facts(costs: Costs) -> list[tuple[str, str | None]]:
    """Parameters, multiply-adds and latency, as far as they are known."""
    count, timed = costs.count, costs.timed
    size = count and "{}x{}".format(*count.size)
    return [
        ("parameters", count and f"{count.parameters:,}"),
        ("multiply-adds", count and f"{count.total / 1e9:.2f} G at {size}"),
        (
            "latency",
            timed
            and "{:.1f} ms at {}x{}, {}".format(
                timed.median_ms, *timed.size, cut(timed.device, 100)
            ),
        ),
    ]


def _summary(run: Run, costs: Costs) -> Markup:
    last = run.rows[-1]
    planned = run.recipe.get("epochs")
    best = run.best
    of = "" if run.is_kept else ", no model kept yet"
    seconds = sum(row.get("seconds", 0) for row in run.rows)
    return facts(
        [
            ("folder", str(run.folder.path)),
            ("preset", cut(run.recipe.get("preset", "?"), 100)),
            ("epochs", f"{last['epoch']} of {planned}"),
            ("made shorter or longer", _stages(run)),
            (
                "best mIoU in training",
                f"{percent(best['val_miou'])} % on {cut(run.validation['split'], 40)}, "
                f"epoch {best['epoch']}{of}",
            ),
            *(
                (cut(s.name, 200), f"{s.title}: {miou_text(s)}")
                for s in run.beside.scored
            ),
            *cost_facts(costs),
            ("time of the epochs", duration(seconds) if 0 < seconds < 1e9 else None),
        ]
    )


def _advice(run: Run) -> Markup | None:
    """What to do next."""
    found = advice(run)
    if not found:
        return None
    items = [element("li", str(one)) for one in found]
    return element("div", element("h3", "What to do next"), element("ul", items))


def _stages(run: Run) -> str | None:
    """What `--anneal`, `--extend` and `--finish-by` made of the recipe's epochs."""
    stages = run.facts.get(PLAN)
    if not isinstance(stages, list) or not stages:
        return None
    told = []
    for stage in stages:
        stage = stage if isinstance(stage, dict) else {}
        kind, start, until = (stage.get(k) for k in ("kind", "start", "until"))
        told.append(f"{kind} from step {start} to {until}")
    return cut("; ".join(told))


def _curves(run: Run) -> Markup:
    best = run.best["epoch"]

    def line(name: str, column: str) -> Line:
        points = [(row["epoch"], row.get(column, float("nan"))) for row in run.rows]
        return Line(name, points, best)

    charts = [
        chart("loss", [line("training", "loss"), line("validation", "val_loss")], best),
        chart("mIoU of the validation", [line("mIoU", "val_miou")], best),
    ]
    if any("lr" in row for row in run.rows):
        charts.append(chart("learning rate", [line("learning rate", "lr")], best))
    worst = lowest_classes(run.best, _WORST)
    if worst:
        lines = [line(cut(name, 40), f"{IOU}{name}") for name, _ in worst]
        charts.append(chart(f"IoU of the {len(worst)} lowest classes", lines, best))
    return element("div", charts, class_="charts")


def _classes(run: Run) -> Markup:
    trained = run.class_iou()
    names = list(trained)
    for scored in run.beside.scored:
        names += [name for name in scored.iou if name not in names]
    header = ["class", f"training, epoch {run.best['epoch']} (%)"]
    for scored in run.beside.scored:
        header += [f"{cut(scored.name, 200)} (%)", "95 % of", ""]
    rows = [_mean(run)] if names else []
    for name in names:
        row: list[Any] = [cut(name, 100), percent(trained.get(name))]
        for scored in run.beside.scored:
            value, pair = scored.iou.get(name), scored.interval(name)
            between = f"{percent(pair[0])} to {percent(pair[1])}" if pair else "–"
            row += [percent(value), between, _bar(value, pair)]
        if not run.beside.scored:
            row.append(_bar(trained[name], None))
        rows.append(row)
    if not run.beside.scored:
        header.append("")
    if not rows:
        return element("p", "log.csv has no IoU of classes.")
    note = None
    if not run.beside.scored:
        note = element(
            "p",
            "Intervals and the confusion matrix come with an evaluation in the folder: "
            "hyperseg-tf evaluate RUN/model.keras --data DIR "
            "--json RUN/evaluation.json --draw RUN/pictures",
            class_="note",
        )
    return element("div", table(header, rows), note)


def _mean(run: Run) -> list[Any]:
    """The row of the mean over the classes."""
    row: list[Any] = ["mIoU", percent(run.best["val_miou"])]
    for scored in run.beside.scored:
        pair = scored.interval()
        between = f"{percent(pair[0])} to {percent(pair[1])}" if pair else "–"
        row += [percent(scored.miou), between, _bar(scored.miou, pair)]
    return row if run.beside.scored else [*row, _bar(run.best["val_miou"], None)]


def _bar(value: float | None, pair: tuple[float, float] | None) -> Markup | None:
    """A share as a bar, its interval as a line upon it."""
    if value is None or not 0 <= value <= 1:
        return None
    parts = [
        element("rect", x=0, y=2, width=100, height=8, fill="#e8ecef"),
        element(
            "rect", x=0, y=2, width=round(100 * value, 1), height=8, fill="#0072b2"
        ),
    ]
    if pair and all(0 <= end <= 1 for end in pair):
        low, high = (round(100 * end, 1) for end in pair)
        ends = {"x1": low, "x2": high, "y1": 6, "y2": 6}
        parts.append(element("line", **ends, stroke="#d55e00", stroke_width=2.5))
    return element("svg", parts, viewBox="0 0 100 12", width=120, height=14)


def _scored(scored: Scored) -> Markup:
    data = scored.data
    names = [cut(name, 100) for name in data["classes"]]
    older = None
    if scored.is_older:
        older = element(
            "p",
            f"{cut(scored.name, 200)} is older than model.keras: perhaps it is of an "
            "earlier epoch. Evaluate again to be sure.",
            class_="warning",
        )
    return element(
        "div",
        element("h3", f"Evaluation: {scored.title}"),
        older,
        facts(
            [
                ("file", str(scored.path)),
                ("model", cut(data.get("model", "?"), 300)),
                ("mIoU", miou_text(scored)),
                ("mIoU against", scored.against and cut(scored.against, 300)),
                ("images", data.get("images")),
                ("passes", data.get("passes") or "one"),
                ("leak", data.get("leak") or None),
            ]
        ),
        confusion(np.asarray(data["matrix"], np.float64), names),
    )


def _pictures(run: Run) -> Markup | None:
    parts = []
    for folder, drawn in run.beside.drawn.items():
        for what in ("worst", "best"):
            found = [entry for entry in drawn if entry[0] == what]
            if found:
                parts.append(element("h3", f"{what.capitalize()} pictures ({folder})"))
                parts.append(element("p", _COLUMNS, class_="note"))
                parts += [picture(path, f"{what}: {name}") for _, name, path in found]
    overlays = run.beside.overlays
    if not parts and overlays:
        epoch = run.best["epoch"] if run.best["epoch"] in overlays else max(overlays)
        caption = f"epoch {epoch}, {overlays[epoch].name}"
        parts.append(element("h3", "Validation pictures of the training"))
        parts.append(picture(overlays[epoch], caption))
    return element("div", parts) if parts else None


def _recipe(run: Run) -> Markup:
    text = _json(run.recipe)
    shown = element("pre", text, tabindex="0")
    return element("details", element("summary", "All fields, as in run.json"), shown)


def _data(run: Run) -> Markup:
    data, pixels = run.data, run.facts.get("class_pixels") or {}
    classes = data.get("classes")
    known = facts(
        [
            ("folder", _text(data.get("directory"))),
            ("training samples", _text(data.get("train_samples"))),
            ("validation samples", _text(data.get("evaluate_samples"))),
            ("classes", len(classes) if isinstance(classes, list) else None),
        ]
    )
    splits = {k: v for k, v in pixels.items() if isinstance(v, list)}
    if not isinstance(classes, list) or not splits:
        return known
    rows = []
    for i, name in enumerate(classes):
        row = [cut(name, 100)]
        for counts in splits.values():
            numbers = [v for v in counts if type(v) is int and v >= 0]
            right = len(numbers) == len(counts) > i and sum(numbers[: len(classes)])
            share = numbers[i] / sum(numbers[: len(classes)]) if right else None
            row.append(percent(share, 3))
        rows.append(row)
    header = ["class", *(f"% of the pixels of {cut(s, 40)}" for s in splits)]
    shown = element("details", element("summary", "Classes"), table(header, rows))
    return element("div", known, shown)


def _environment(run: Run) -> Markup:
    pairs = []
    for part in ("environment", "versions"):
        for name, value in (run.facts.get(part) or {}).items():
            shown = ", ".join(map(str, value)) if isinstance(value, list) else value
            pairs.append((cut(name, 60), _text(shown)))
    pairs.append(("initial weights", _text(run.facts.get("weights"))))
    return facts(pairs)


def _text(value: Any) -> str | None:
    return None if value is None else cut(value, 300)


def _json(value: Any) -> str:
    try:
        return json.dumps(value, indent=2, ensure_ascii=False)
    except RecursionError:
        return cut(value)
