"""Which file is behind the error that ended a stream of batches.

Files that `check` found sound may change or vanish while a run lasts. TensorFlow's
message is then a graph's and often names no file. Which samples a batch holds follows
from its number alone, so they are read once more, by the code of `check`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.pipelines.check import load_sample
from hyperseg_tf.pipelines.datasets import Dataset
from hyperseg_tf.pipelines.stream import batches, order
from hyperseg_tf.pipelines.transforms import Transform

# What files do, and the arithmetic of a network never does.
_OF_FILES = (
    tf.errors.NotFoundError,
    tf.errors.PermissionDeniedError,
    tf.errors.UnavailableError,
    tf.errors.DataLossError,
)
# Whoever takes the batches may have asked for some ahead.
_AHEAD = 3


class Stream:
    """Batches as `batches` makes them, whose errors name a file.

    Args:
        dataset: The samples.
        transforms: Of `batches`.
        options: The other arguments of `batches`.

    Attributes:
        batches: The batches themselves, for a graph; there, `naming` words the errors.
    """

    def __init__(
        self, dataset: Dataset, transforms: Sequence[Transform] = (), **options: Any
    ):
        self.dataset = dataset
        self.transforms = tuple(transforms)
        self.options = options
        self.batches = batches(dataset, self.transforms, **options)

    def __iter__(self) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
        """Take the batches one after another; raises `UserError` as `require` does."""
        taken = iter(self.batches)
        number = 0
        while True:
            with self.naming(lambda number=number: number):
                batch = next(taken, None)
            if batch is None:
                return
            yield batch
            number += 1

    @contextmanager
    def naming(self, taken: Callable[[], int]) -> Iterator[None]:
        """Turn an error of TensorFlow's, if it is the stream's, into `UserError`.

        Args:
            taken: Called for the number of batches taken before the error.
        """
        try:
            yield
        except tf.errors.ResourceExhaustedError:
            raise  # the memory's
        except tf.errors.OpError as error:
            self.require(taken())
            if isinstance(error, _OF_FILES):
                raise UserError(
                    f"{self.dataset.directory}, {self.dataset.split}: samples stay as "
                    f"they are while they are used: {type(error).__name__}, though all "
                    "can be read now; see what changes them and run it again."
                ) from error
            raise

    def require(self, number: int) -> None:
        """Do nothing if batch `number`, and the next few, can be made.

        Raises:
            UserError: The first sample that breaks a rule of `check`, or the samples
                that do not go together any more.
        """
        size = self.options["batch_size"]
        start = self.options.get("start", 0) + number * size
        count = _AHEAD * size
        if self.options.get("count") is not None:
            count = max(0, min(count, self.options["count"] - number * size))
        shuffle = self.options.get("shuffle", True)
        seed = self.options.get("seed", 0)
        drawn = self.options.get("replacement", False)
        numbered = order(len(self.dataset), seed, start, count, shuffle, drawn)
        for _, position in numbered:
            load_sample(self.dataset, int(position))
        again = {**self.options, "start": start, "count": count, "cache": False}
        try:
            for _ in batches(self.dataset, self.transforms, **again):
                pass
        except tf.errors.OpError as error:
            raise UserError(
                f"{self.dataset.directory}, {self.dataset.split}: samples keep the "
                f"sizes that they were checked with: {type(error).__name__} in a batch "
                f"of {size}, each of them sound; see what changes them, run it again."
            ) from error
