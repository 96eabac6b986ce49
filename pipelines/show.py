"""Pictures of samples with their labels drawn over them, to look at.

As they are read and, beside that, as the transforms of a training leave them.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from hyperseg_tf import visualise
from hyperseg_tf.base import pixels
from hyperseg_tf.base.atomic import atomic_file
from hyperseg_tf.base.constants import VOID
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.progress import say
from hyperseg_tf.pipelines.check import load_sample
from hyperseg_tf.pipelines.datasets import Dataset
from hyperseg_tf.pipelines.stream import batches
from hyperseg_tf.pipelines.transforms import Transform

# Of the lines over void: the first that is no class's.
_STRIPES = ((255, 0, 255), (255, 255, 0), (0, 255, 255), (255, 255, 255))
_GAP = 8


def show(
    dataset: Dataset,
    out: str | Path,
    count: int = 8,
    on_picture: Callable[[Path], object] | None = None,
    transforms: Sequence[Transform] = (),
    seed: int = 0,
) -> list[Path]:
    """Write samples, evenly spread over the data set, with labels and a legend.

    Void, what pictures are padded with too, is left bare under thin diagonal lines.

    Args:
        out: Folder of the PNGs, `<split>_<position>_<name>.png`; made if need be.
        count: How many samples; all where there are fewer.
        on_picture: Called with the path of each picture once it is written.
        transforms: Of a training: each sample is drawn beside itself once more, as they
            leave it. They draw as in a stream, but not what a training draws for it.
        seed: Of the transforms.

    Returns:
        The paths of the pictures.

    Raises:
        UserError: `out` cannot be written to, or a sample breaks a rule of `check`.
        ValueError: `count` is below 1.
    """
    if count < 1:
        raise ValueError(f"count is at least 1: got {count}.")
    out = Path(out)
    classes = dataset.classes
    colours = [tuple(c) for c in visualise.drawn_palette(len(classes), classes.colours)]
    stripes = next(c for c in _STRIPES if c not in colours)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{out}: pictures are written to a folder: {error.strerror}; "
            "give another --out."
        ) from error
    paths = []
    count = min(count, len(dataset))
    chosen = np.linspace(0, len(dataset) - 1, count).round().astype(int)
    if said := visualise.said_of_colours(classes.names, classes.colours):
        say(f"note: {said}")
    changed = _changed(dataset.subset(chosen), transforms, seed) if transforms else None
    for i in chosen:
        sample = load_sample(dataset, i)
        views = [(sample["image"], sample["label"])]
        if changed is not None:
            views.append(next(changed))
        picture = _beside([_drawn(*view, colours, stripes) for view in views])
        picture = visualise.with_legend(
            picture, (*classes.names, "(void)"), (*colours, stripes)
        )
        name = re.sub(r"[^\w.-]+", "_", dataset[i].name)
        path = out / f"{dataset.split}_{i:05d}_{name}.png"
        with atomic_file(path) as temporary:
            Image.fromarray(np.asarray(picture)).save(temporary)
        paths.append(path)
        if on_picture:
            on_picture(path)
    return paths


def _changed(dataset: Dataset, transforms: Sequence[Transform], seed: int):
    """(image uint8 (H, W, 3), label uint8 (H, W)) of every sample, in order."""
    stream = batches(
        dataset,
        transforms,
        batch_size=1,
        seed=seed,
        count=len(dataset),
        shuffle=False,
        cache=False,
        prefetch=1,
        parallel=1,
    )
    for images, labels in stream:
        yield pixels.denormalise(images[0].numpy()), labels[0].numpy()


def _drawn(
    image: np.ndarray,
    label: np.ndarray,
    colours: Sequence[tuple[int, int, int]],
    stripes: tuple[int, int, int],
) -> np.ndarray:
    picture = visualise.overlay(image, label, colours)
    apart = max(_GAP, label.shape[1] // 48)
    rows, columns = np.indices(label.shape)
    on_line = (rows + columns) % apart < max(1, apart // 6)
    picture[(label == VOID) & on_line] = stripes
    return picture


def _beside(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures (H, W, 3) of any size in a row, on white."""
    height = max(picture.shape[0] for picture in pictures)
    width = sum(picture.shape[1] + _GAP for picture in pictures) - _GAP
    canvas = np.full((height, width, 3), 255, np.uint8)
    left = 0
    for picture in pictures:
        canvas[: picture.shape[0], left : left + picture.shape[1]] = picture
        left += picture.shape[1] + _GAP
    return canvas
