"""What several processes must have in common before they share the batches of a run."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.progress import say
from hyperseg_tf.training import processes
from hyperseg_tf.training.plan import PLAN
from hyperseg_tf.training.run_folder import RunFolder
from hyperseg_tf.training.task import Task


def require_no_clock(finish_by: datetime | None) -> None:
    """Raise `UserError` where every process would decide by its own clock."""
    if processes.count() > 1 and finish_by is not None:
        raise UserError(
            "a run is shortened to be ready in time in one process alone: there are "
            f"{processes.count()}; leave out --finish-by, or shorten it by --anneal."
        )


def require_same(folder: RunFolder, facts: dict[str, Any], step: int) -> None:
    """Raise `UserError` unless all processes train the same, in the same folder.

    Args:
        folder: Where the first process has written run.json.
        facts: Of run.json; the folder of the data may have another name everywhere.
        step: Of the optimizer.
    """
    data = {**facts["data"], "directory": None}
    own = [step, facts["recipe"], data, facts[PLAN]]
    # Different in one is different in all of them.
    if len(set(processes.gather(json.dumps(own).encode()))) > 1:
        raise UserError(
            "all processes of a run have its recipe, its data and its state: process "
            f"{processes.index()} is at step {step}, with {data['train_samples']} and "
            f"{data['evaluate_samples']} samples, and others differ; start all with "
            f"the same command, and let all see {folder.path}."
        )
    with processes.together():
        seen = folder.read_facts()
        if seen is None or seen["recipe"] != facts["recipe"]:
            raise UserError(
                "all processes see the folder of their run: there is no run.json of it "
                f"in {folder.path}; name one on a file system that they share as --out."
            )


def tell_first_samples(task: Task, step: int) -> None:
    """Say with which samples this process begins, where there are several."""
    if processes.count() == 1:
        return
    numbered = task.first_samples(step)
    shown = ", ".join(f"{number} {Path(path).name}" for number, path in numbered)
    say(f"process {processes.index()} of {processes.count()} begins with {shown}")
