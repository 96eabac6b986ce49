"""What a run learns, and from what: a recipe on opened data.

Everything that a run says about its classes and samples is asked here, so that the
network, the scores, the pictures and run.json cannot disagree.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hyperseg_tf import pipelines, protocols
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.progress import say
from hyperseg_tf.pipelines import Dataset, Stream
from hyperseg_tf.pipelines.stream import order
from hyperseg_tf.recipes import Recipe
from hyperseg_tf.training import processes

Colour = tuple[int, int, int]

_VOID_COLOUR = (0, 0, 0)


def _open(recipe: Recipe, directory: Path, split: str) -> Dataset:
    dataset = pipelines.open_dataset(directory, split, labels=recipe.read_labels)
    if recipe.void_is_class:
        return pipelines.with_void_as_class(dataset)
    return dataset


@dataclass(frozen=True)
class Task:
    """A recipe, the samples it trains on and those that pick the best epoch."""

    recipe: Recipe
    train_set: Dataset
    evaluate_set: Dataset

    def __post_init__(self) -> None:
        protocol = protocols.get(self.recipe.protocol)
        names = self.train_set.classes.names
        wanted = protocol.data_classes()
        if wanted is None or protocol.has_void(names):
            return
        if not protocols.same_classes(names, wanted):
            raise UserError(
                f"the recipe scores by the protocol {protocol.name}, which has its own "
                f"classes: {self.train_set.directory} has "
                f"{protocols.difference(names, wanted)}; train own_folder, or add "
                "--set protocol=own."
            )

    @classmethod
    def open(cls, recipe: Recipe, directory: Path) -> "Task":
        """Find the recipe's splits in a folder; no picture is read.

        Raises:
            UserError: The folder, a split or a list of it is missing or unsound.
        """
        train_set = pipelines.join(
            [_open(recipe, directory, split) for split in recipe.train_splits]
        )
        lacking = None
        try:
            evaluate_set = _open(recipe, directory, recipe.evaluate_split)
        except UserError as error:
            there = recipe.evaluate_split in pipelines.splits(directory)
            if not there or isinstance(error, pipelines.EmptySplit):
                lacking = error
            elif not recipe.split_val:
                raise
        if lacking is None and recipe.split_val:
            raise UserError(
                f"{directory}: a part of train is held back where there is no "
                f"{recipe.evaluate_split}: there is one; leave out --split-val "
                f"(split_val={recipe.split_val})."
            )
        if lacking is None:
            return cls(recipe, train_set, evaluate_set)
        if not recipe.split_val:
            raise UserError(
                f"{lacking} Or hold a part of train back: --split-val 0.1."
            ) from lacking
        return cls(
            recipe,
            *pipelines.hold_back(train_set, recipe.split_val, recipe.evaluate_split),
        )

    def require(
        self,
        checked: dict[str, str] | None = None,
        class_pixels: dict[str, list[int]] | None = None,
    ) -> dict[str, str]:
        """Read every file; raise `UserError` unless all are sound.

        Args:
            checked: What this returned before; splits whose files are still the same
                are not read again.
            class_pixels: Gets the pixels of every class of each split that is read,
                those of void at the end; a split that it lacks is read.

        Returns:
            A fingerprint of each split, where one can be had.
        """
        found = {}
        for dataset in (self.train_set, self.evaluate_set):
            mark = pipelines.fingerprint(dataset)
            known = class_pixels is None or dataset.split in class_pixels
            if not known or mark is None or (checked or {}).get(dataset.split) != mark:
                report = pipelines.require(dataset, self.recipe.void_is_class)
                if class_pixels is not None:
                    counts = [*report.class_pixels.tolist(), report.void_pixels]
                    class_pixels[dataset.split] = counts
                for note in report.notes:
                    say(f"note: {note}")
            if mark is not None:
                found[dataset.split] = mark
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """Of the classes that the network tells apart, in order."""
        void = ("void",) if self._all_void_is_class else ()
        return (*self.train_set.classes.names, *void)

    @property
    def colours(self) -> tuple[Colour, ...]:
        """RGB of the classes, in order."""
        void = (_VOID_COLOUR,) if self._all_void_is_class else ()
        return (*self.train_set.classes.colours, *void)

    @property
    def can_feed_bytes(self) -> bool:
        """Whether nothing comes behind the normalising of training images."""
        normalise = [isinstance(t, pipelines.Normalise) for t in self.recipe.train]
        return not any(normalise[:-1])

    def train_batches(self, step: int, as_bytes: bool = False) -> Stream:
        """The endless stream of training batches from an optimizer step on.

        Args:
            as_bytes: Images are uint8 of 0..255, not normalised.

        Returns:
            images (B, H, W, 3) float32, labels (B, H, W) uint8 of each batch; of
            several processes each has its own part of it.
        """
        return Stream(
            self.train_set,
            self._transforms(self.recipe.train),
            batch_size=self.recipe.batch_size,
            seed=self.recipe.seed,
            start=step * self.recipe.batch_size,
            cache=self.recipe.cache,
            replacement=self.recipe.replacement,
            dtype="uint8" if as_bytes else "float32",
            part=(processes.index(), processes.count()),
        )

    def first_samples(self, step: int) -> list[tuple[int, str]]:
        """Number in the stream, and picture, of what this process takes in a step."""
        size = self.recipe.batch_size // processes.count()
        start = step * self.recipe.batch_size + processes.index() * size
        numbered = order(
            len(self.train_set),
            self.recipe.seed,
            start,
            size,
            shuffle=True,
            replacement=self.recipe.replacement,
        )
        return [
            (int(number), self.train_set[int(position)].image_source)
            for number, position in numbered
        ]

    def evaluation_batches(self) -> Stream | Sequence:
        """Every validation sample once, in the order of the data; as above.

        Of several processes each has some batches whole, in turns, or none.
        """
        size = self.recipe.evaluate_batch_size
        turns = range(0, len(self.evaluate_set), size)
        own = [
            place
            for first in turns[processes.index() :: processes.count()]
            for place in range(first, min(first + size, len(self.evaluate_set)))
        ]
        if processes.count() == 1:
            return self._in_order(self.evaluate_set, size)
        return self._in_order(self.evaluate_set.subset(own), size) if own else ()

    def training_pictures(self, count: int) -> Stream:
        """Whole training samples, prepared as those of validation are, one by one.

        Args:
            count: At most so many, spread over the data and in no order.
        """
        total = len(self.train_set)
        chosen = np.linspace(0, total - 1, min(count, total)).round().astype(int)
        mixed = np.random.default_rng(self.recipe.seed).permutation(chosen)
        return self._in_order(self.train_set.subset(mixed), 1)

    def overlay_samples(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The validation samples to be drawn, spread evenly over the data.

        Returns:
            (image (H, W, 3) float32 normalised, label (H, W) uint8) each.
        """
        chosen = self._overlaid()
        if not len(chosen):
            return []
        batches = self._in_order(self.evaluate_set.subset(chosen), 1)
        return [(image[0].numpy(), label[0].numpy()) for image, label in batches]

    def overlay_names(self) -> list[str]:
        """Names of the samples of `overlay_samples`."""
        return [self.evaluate_set[i].name for i in self._overlaid()]

    def _overlaid(self) -> np.ndarray:
        count = min(self.recipe.overlays, len(self.evaluate_set))
        return np.linspace(0, len(self.evaluate_set) - 1, count).round().astype(int)

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

    @property
    def _all_void_is_class(self) -> bool:
        """Whether void is learnt, and the data know one kind of it only."""
        return self.recipe.void_is_class and "void" not in self.train_set.classes.names

    def _in_order(self, dataset: Dataset, batch_size: int) -> Stream:
        return Stream(
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
        if not self._all_void_is_class:
            return transforms
        return (pipelines.VoidToClass(len(self.train_set.classes)), *transforms)
