"""A run that was, to be repeated: its recipe and data, and what is otherwise now."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyperseg_tf import pipelines, recipes
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.versions import versions
from hyperseg_tf.recipes import Recipe
from hyperseg_tf.training.environment import environment
from hyperseg_tf.training.run_folder import RunFolder
from hyperseg_tf.training.task import Task


@dataclass(frozen=True)
class Recorded:
    """What run.json says of a run.

    Attributes:
        folder: Of the run.
        recipe: Its recipe.
        data: Folder of its data.
        facts: All of run.json.
    """

    folder: Path
    recipe: Recipe
    data: Path
    facts: dict[str, Any]

    def differences(self) -> list[str]:
        """What may make the numbers others now, a line each."""
        found = []
        now = {**versions(), **environment()}
        then = {**self.facts.get("versions", {}), **self.facts.get("environment", {})}
        for name in now:
            if name in then and then[name] != now[name]:
                found.append(
                    f"{self.folder} had {name} {then[name]}, here it is {now[name]}"
                )
        return [*found, *self._changed_data()]

    def _changed_data(self) -> list[str]:
        try:
            task = Task.open(self.recipe, self.data)
        except UserError:
            return []  # training says it
        before = self.facts.get("checked") or {}
        return [
            f"{self.data}: files of {dataset.split} are others than {self.folder} had"
            for dataset in (task.train_set, task.evaluate_set)
            if dataset.split in before
            and pipelines.fingerprint(dataset) != before[dataset.split]
        ]


def recorded(folder: str | Path) -> Recorded:
    """Read the run in a folder.

    Raises:
        UserError: There is no run, or its run.json is damaged or of another version.
    """
    run = RunFolder(Path(folder))
    facts = run.read_facts()
    if facts is None:
        raise UserError(
            f"a run has a run.json: {run.path} has none; name the folder of --out."
        )
    directory = facts.get("data", {}).get("directory")
    if not isinstance(directory, str):
        raise UserError(
            f"run.json says where the data are: {run.facts} does not; name another run."
        )
    recipe = recipes.recipe_from_data(facts.get("recipe"))
    return Recorded(run.path, recipe, Path(directory), facts)
