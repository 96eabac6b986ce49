"""The page as a whole: one file that asks for nothing else."""

from collections.abc import Sequence

from hyperseg_tf import __version__
from hyperseg_tf.reporting.costs import Costs
from hyperseg_tf.reporting.markup import Markup, element, joined
from hyperseg_tf.reporting.run import Run
from hyperseg_tf.reporting.run_section import section
from hyperseg_tf.reporting.side_by_side import side_by_side
from hyperseg_tf.reporting.trade_off import trade_offs

# Nothing may be fetched or run, whatever a file has brought into the page.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

_STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1200px; padding: 12px 16px 60px; color: #222;
  background: #fff; font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; }
h1 { font-size: 26px; line-height: 1.2; margin: 12px 0; }
h1, h2, h3, li, figcaption, p, .facts td { overflow-wrap: anywhere; }
h2 { font-size: 21px; margin: 36px 0 10px; padding-top: 10px;
  border-top: 2px solid #0072b2; }
h3 { font-size: 17px; margin: 26px 0 8px; }
h4 { font-size: 15px; margin: 14px 0 6px; }
a { color: #00558a; }
.note, figcaption { color: #555; font-size: 13px; }
.warning { background: #fff3d6; border-left: 4px solid #d99a00; padding: 6px 10px; }
.wide { overflow-x: auto; max-width: 100%; }
table { border-collapse: collapse; margin: 4px 0 10px; font-size: 14px; }
th, td { padding: 3px 10px 3px 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid #e3e6e8; min-width: 3em; }
.wide > table:not(.facts) td:first-child { min-width: 8em; }
.facts td { max-width: 36em; }
thead th { border-bottom: 2px solid #b8c0c6; vertical-align: bottom; }
.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
thead .n { white-space: normal; }
.facts th { font-weight: 600; white-space: nowrap; color: #444; }
.charts { display: grid; gap: 18px;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 380px), 1fr)); }
.pair { display: flex; flex-wrap: wrap; gap: 24px; align-items: flex-start; }
.pair > * { max-width: 100%; min-width: 0; }
figure { margin: 0; }
figure.picture { margin: 0 0 20px; }
figure.picture img { width: auto; max-width: max(100%, 760px); height: auto;
  border: 1px solid #ddd; }
.charts svg[role] { width: 100%; height: auto; display: block; }
svg text { font: 12px system-ui, "DejaVu Sans", sans-serif; }
svg text:not([fill]) { fill: #333; }
svg text.title { font-weight: 600; font-size: 14px; }
.grid { stroke: #e4e8ea; stroke-width: 1; }
.line { fill: none; stroke-width: 2; }
.best { stroke: #888; stroke-width: 1.5; stroke-dasharray: 3 3; }
.cell { stroke: #fff; stroke-width: 1; }
.legend { list-style: none; margin: 4px 0 0; padding: 0 0 0 8px; font-size: 13px;
  display: flex; flex-wrap: wrap; gap: 2px 16px; }
.legend li { display: flex; gap: 6px; align-items: center; }
.legend svg { flex: none; }
pre { background: #f5f7f8; padding: 10px; overflow-x: auto; font-size: 13px; }
summary { cursor: pointer; color: #00558a; margin: 6px 0; }
@media print { details > * { display: block; } section { break-before: page; } }
"""


def page(runs: Sequence[Run], costs: Sequence[Costs], made: str) -> str:
    """HTML of some runs.

    Args:
        runs: At least one.
        costs: Of each.
        made: When, for people.

    Raises:
        UserError: A picture cannot be read.
    """
    several = len(runs) > 1
    title = f"{len(runs)} training runs" if several else f"Training run {runs[0].name}"
    anchors = [f"run-{number}" for number in range(1, len(runs) + 1)]
    body = element(
        "body",
        element("h1", title),
        element("p", f"Made {made} by hyperseg-tf {__version__}.", class_="note"),
        side_by_side(runs, costs, anchors) if several else None,
        [
            section(run, cost, anchor)
            for run, cost, anchor in zip(runs, costs, anchors, strict=True)
        ],
        element(
            "section",
            element("h2", "Scores against costs"),
            element(
                "p",
                "A score is of one protocol on one set of images: only marks of one "
                "shape and colour compare. The paper's models are there for their "
                "costs, and for how scores grow with these. Costs are on a logarithmic "
                "axis.",
            ),
            trade_offs(runs, costs),
        ),
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Markup(_STYLE)),
    )
    html = element("html", head, body, lang="en")
    return joined([Markup("<!doctype html>\n"), html, Markup("\n")])
