"""Predicted classes as label files write them: what benchmarks' servers take."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
from PIL import Image

from hyperseg_tf.base.atomic import atomic_folder
from hyperseg_tf.pipelines import ClassTable, Dataset

Save = Callable[[int, np.ndarray], None]


def saving(
    folder: Path | None, data: Dataset, num_classes: int
) -> "nullcontext[Save] | contextmanager[Save]":
    """A context of a function of (position in `data`, class map uint8 (H, W)).

    It writes `<name of the sample>.png` with the values of the data's label files; the
    folder appears once all are written. Nothing is written where it is None.

    Args:
        num_classes: Classes of the maps; one more than the data's is void.

    Raises:
        UserError: `folder` is a file, or holds something.
    """
    if folder is None:
        return nullcontext(lambda position, class_map: None)
    return _saving(Path(folder), data, values_of(data.classes, num_classes))


def values_of(classes: ClassTable, num_classes: int) -> np.ndarray:
    """What label files write for every class: uint8 (num_classes,)."""
    void = classes.void_values[0] if classes.void_values else 255
    extra = num_classes - len(classes)
    return np.array((*classes.file_values(), *[void] * extra), np.uint8)


@contextmanager
def _saving(folder: Path, data: Dataset, values: np.ndarray) -> Iterator[Save]:
    names = _file_names([sample.name for sample in data])
    with atomic_folder(folder) as temporary:

        def save(position: int, class_map: np.ndarray) -> None:
            picture = Image.fromarray(values[class_map])
            picture.save(temporary / names[position])

        yield save


def _file_names(names: list[str]) -> list[str]:
    """The last part of each name; all of it where that is not unique."""
    last = [name.rpartition("/")[2] for name in names]
    repeated = {name for name, count in Counter(last).items() if count > 1}
    plain = [
        re.sub(r"[^\w.-]+", "_", full if short in repeated else short)
        for short, full in zip(last, names, strict=True)
    ]
    twice = {name for name, count in Counter(plain).items() if count > 1}
    return [
        f"{name}.png" if name not in twice else f"{number}_{name}.png"
        for number, name in enumerate(plain)
    ]
