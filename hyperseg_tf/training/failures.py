"""What ends a training though nobody made a mistake, as the line a user can act on."""

from collections.abc import Iterator
from contextlib import contextmanager

from hyperseg_tf.base import os_errors
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.inference.memory import out_of_memory
from hyperseg_tf.recipes import Recipe
from hyperseg_tf.training import processes
from hyperseg_tf.training.run_folder import RunFolder


@contextmanager
def memory_in_words(recipe: Recipe, folder: RunFolder) -> Iterator[None]:
    """Turn whatever says that memory does not suffice into `UserError`."""
    try:
        yield
    except Exception as error:
        # TensorFlow's error of a full disk has the class of one of a full memory.
        if os_errors.behind(error) is not None or not out_of_memory(error):
            raise
        raise UserError(
            f"memory must suffice for batches of {recipe.batch_size}, in validation of "
            f"{recipe.evaluate_batch_size}: it does not; lower batch_size, or the size "
            "of the crop (--set batch_size=...), with another --out; cache=false keeps "
            f"no decoded pictures; {folder.kept()}."
        ) from error


@contextmanager
def lost_process_in_words(folder: RunFolder) -> Iterator[None]:
    """Turn the error that the end of another process is here into `UserError`."""
    try:
        yield
    except Exception as error:
        alone = processes.count() == 1 or type(error).__name__ != "JaxRuntimeError"
        if alone or out_of_memory(error):
            raise
        said = str(error).splitlines()[0][:200].rstrip(".")
        raise UserError(
            f"all {processes.count()} processes of a run must go on: one is gone "
            f"({said}); see what it said, and start all of them again; "
            f"{folder.kept()}."
        ) from error
