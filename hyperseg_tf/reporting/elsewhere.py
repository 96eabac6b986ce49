"""Evaluations that lie outside the folders of runs, given to the run of their model."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.reporting.beside import Scored, read_scored
from hyperseg_tf.reporting.run import Run
from hyperseg_tf.training.run_folder import RunFolder


def with_evaluations(runs: Sequence[Run], paths: Sequence[str | Path]) -> list[Run]:
    """Runs with what `evaluate --json` wrote of their models to other places.

    The path of the model, which such a file has, says whose it is. A file that lies in
    the folder of its run is there already.

    Raises:
        UserError: A file is no evaluation, or of none of these runs, as far as can be
            seen.
    """
    found = list(runs)
    for path in map(Path, paths):
        scored = read_scored(path)
        place = _owner(runs, scored)
        run = found[place]
        there = [other.path.resolve() for other in run.beside.scored]
        if path.resolve() in there:
            continue
        scored = replace(scored, is_older=scored.older_than(run.folder.best))
        beside = replace(run.beside, scored=(*run.beside.scored, scored))
        found[place] = replace(run, beside=beside)
    return found


def _owner(runs: Sequence[Run], scored: Scored) -> int:
    """Number of the run whose model was scored."""
    said = scored.data.get("model")
    model = Path(said) if isinstance(said, str) and "\0" not in said else Path()
    # The model's file, or the folder of its run.
    folder = model.parent if model.suffix == ".keras" else model
    places = [run.folder.path.resolve() for run in runs]
    if folder.resolve() in places:
        return places.index(folder.resolve())
    # Evaluated from another working folder, or on another machine.
    another = RunFolder(folder).facts.is_file()
    named = [i for i, place in enumerate(places) if place.name == folder.name]
    if not another and len(named) == 1:
        return named[0]
    if not another and len(runs) == 1:
        return 0
    names = ", ".join(str(run.folder.path) for run in runs)
    raise UserError(
        f"an evaluation is of the model of a run in the report: {scored.path} is of "
        f"{said}, and the runs are {names}; name its run, or move the file into the "
        "folder of the run."
    )
