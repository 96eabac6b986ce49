"""Runs to a page: read, count, draw, write."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from hyperseg_tf.base.atomic import atomic_file, check_file_target
from hyperseg_tf.reporting.costs import Counter
from hyperseg_tf.reporting.elsewhere import with_evaluations
from hyperseg_tf.reporting.page import page
from hyperseg_tf.reporting.run import read_runs

NAME = "report.html"


def report(
    runs: str | os.PathLike | Sequence[str | os.PathLike],
    out: str | os.PathLike | None = None,
    *,
    evaluations: Sequence[str | os.PathLike] = (),
    overwrite: bool = False,
) -> Path:
    """Write what training runs came to as one page, which needs no other file.

    Of each run: curves, IoU of the classes, confusion matrix, pictures, recipe, data
    and environment. What `evaluate --json` and `--draw` and `benchmark --json` wrote
    into the folder of a run is shown with it. Several runs stand beside each other,
    those that differ in the seed alone with mean and standard deviation.

    Args:
        runs: Folder of a run, or several.
        out: The page; None for report.html in the folder of a single run, in the
            working folder for several.
        evaluations: What `evaluate --json` wrote to other places, each shown with the
            run of its model.
        overwrite: Replace a file that is there.

    Returns:
        Where it was written.

    Raises:
        UserError: A folder is no run, has no finished epoch, or holds a damaged file;
            an evaluation is of no run that is named; `out` exists and is not to be
            overwritten.
        ValueError: No run is named.
    """
    paths = [runs] if isinstance(runs, str | os.PathLike) else list(runs)
    if not paths:
        raise ValueError("a report is of at least one run: got none.")
    if out is None:
        out = Path(paths[0]) / NAME if len(paths) == 1 else Path(NAME)
    out = Path(out)
    check_file_target(out, overwrite)
    found = with_evaluations(read_runs(paths), evaluations)
    counter = Counter()
    costs = [counter.costs(run) for run in found]
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    html = page(found, costs, made)
    with atomic_file(out) as temporary:
        temporary.write_text(html, "utf-8")
    return out
