"""What a run learns, and from what: a recipe on opened data.

Everything that a run says about its classes and samples is asked here, so that the
network, the scores, the pictures and run.json cannot disagree.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

import pipelines
from pipelines import Dataset
from recipes import Recipe

Colour = tuple[int, int, int]

_VOID_COLOUR = (0, 0, 0)


@dataclass(frozen=True)
class Task:
    """A recipe, the samples it trains on and those that pick the best epoch."""

    recipe: Recipe
    train_set: Dataset
    evaluate_set: Dataset

    @classmethod
    def open(cls, recipe: Recipe, directory: Path) -> "Task":
        """Find the recipe's splits in a folder; no picture is read.

        Raises:
            UserError: The folder, a split or a list of it is missing or unsound.
        """
        splits = [pipelines.open_dataset(directory, s) for s in recipe.train_splits]
        evaluate_set = pipelines.open_dataset(directory, recipe.evaluate_split)
        return cls(recipe, pipelines.join(splits), evaluate_set)

    def require(self) -> None:
        """Read every file; raise `UserError` unless all are sound."""
        pipelines.require(self.train_set)
        pipelines.require(self.evaluate_set)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the classes that the network tells apart, in order."""
        void = ("void",) if self.recipe.void_is_class else ()
        return (*self.train_set.classes.names, *void)

    @property
    def colours(self) -> tuple[Colour, ...]:
        """RGB of the classes, in order."""
        void = (_VOID_COLOUR,) if self.recipe.void_is_class else ()
        return (*self.train_set.classes.colours, *void)

    def train_batches(self, step: int) -> tf.data.Dataset:
        """The endless stream of training batches from an optimizer step on.

        Returns:
            images (B, H, W, 3) float32, labels (B, H, W) uint8 of each batch.
        """
        return pipelines.batches(
            self.train_set,
            self._transforms(self.recipe.train),
            batch_size=self.recipe.batch_size,
            seed=self.recipe.seed,
            start=step * self.recipe.batch_size,
            cache=self.recipe.cache,
        )

    def evaluation_batches(self) -> tf.data.Dataset:
        """Every validation sample once, in the order of the data; as above."""
        return self._in_order(self.evaluate_set, self.recipe.evaluate_batch_size)

    def overlay_samples(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The validation samples to be drawn, spread evenly over the data.

        Returns:
            (image (H, W, 3) float32 normalised, label (H, W) uint8) each.
        """
        count = min(self.recipe.overlays, len(self.evaluate_set))
        if not count:
            return []
        chosen = np.linspace(0, len(self.evaluate_set) - 1, count).round().astype(int)
        batches = self._in_order(self.evaluate_set.subset(chosen), 1)
        return [(image[0].numpy(), label[0].numpy()) for image, label in batches]

    def facts(self) -> dict[str, Any]:
        """What run.json says about recipe and data."""
        return {
            "recipe": self.recipe.as_data(),
            "data": {
                "directory": str(self.train_set.directory),
                "train_samples": len(self.train_set),
                "evaluate_samples": len(self.evaluate_set),
                "classes": list(self.names),
            },
        }

    def _in_order(self, dataset: Dataset, batch_size: int) -> tf.data.Dataset:
        return pipelines.batches(
            dataset,
            self._transforms(self.recipe.evaluate),
            batch_size=batch_size,
            seed=self.recipe.seed,
            count=len(dataset),
            shuffle=False,
            drop_remainder=False,
            cache=self.recipe.cache,
        )

    def _transforms(self, transforms: tuple[Any, ...]) -> tuple[Any, ...]:
        """The recipe's transforms, behind what its classes need."""
        if not self.recipe.void_is_class:
            return transforms
        return (pipelines.VoidToClass(len(self.train_set.classes)), *transforms)
