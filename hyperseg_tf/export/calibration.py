"""Pictures that an export of integers takes its ranges of values from."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hyperseg_tf.base import pixels
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.export.options import Options
from hyperseg_tf.inference.pictures import find, limit_for, read_picture
from hyperseg_tf.pipelines import load_sample, open_dataset, splits

if TYPE_CHECKING:
    import keras

# Ranges hardly change with more, and each costs a run of the network.
MOST_PICTURES = 200


def batches(
    options: Options, model: "keras.Model | None" = None, most: int | None = None
) -> Iterator[np.ndarray]:
    """Yield uint8 (B, H, W, 3) of the export's size and batch; 1 where that is free.

    Of a data set the pictures of its first split, which is train where there is one; of
    many pictures some, spread evenly. The last batch is filled up with its last.

    Args:
        options: Whose `calibrate` says where they are.
        model: Whose preset gives the size where the export leaves it open.
        most: Pictures at most; None for `MOST_PICTURES`.

    Raises:
        UserError: There are none, one cannot be read, or no size is known.
    """
    step = options.batch or 1
    pictures = _pictures(
        options.calibrate, _size(options, model), most or MOST_PICTURES
    )
    while some := list(islice(pictures, step)):
        yield np.stack(some + [some[-1]] * (step - len(some)))


def _size(options: Options, model) -> tuple[int, int]:
    preset = getattr(model, "preset", None)
    if options.size is None and preset is None:
        raise UserError(
            f"{options.precision} is calibrated on pictures of one size, and the model "
            "names none; add --size HxW (size=(height, width))."
        )
    return options.size or preset.image_size


def _pictures(folder: Path, size: tuple[int, int], most: int) -> Iterator[np.ndarray]:
    found = splits(folder)
    if found:
        dataset = open_dataset(folder, found[0])
        for i in _spread(range(len(dataset.samples)), most):
            yield pixels.resize(load_sample(dataset, i)["image"][None], size)[0]
        return
    errors = []
    paths = [path for path, _ in find([folder], folder, errors)]
    if errors:
        raise UserError(errors[0])
    for path in _spread(paths, most):
        image = read_picture(path, limit_for(None, size))
        yield pixels.resize(image[None], size)[0]


def _spread(items: Sequence, most: int) -> list:
    count = min(len(items), most)
    return [items[i * len(items) // count] for i in range(count)]
