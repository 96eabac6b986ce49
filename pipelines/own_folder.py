"""Any readable data set as an own folder: pictures as they are, labels as PNG.

Labels become positions of classes in a palette of the classes' colours, void 255, so
that a viewer shows them; `classes.csv` says the names.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from hyperseg_tf.base.atomic import atomic_folder
from hyperseg_tf.base.constants import VOID
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.picture_file import open_header
from hyperseg_tf.base.progress import Progress, bar
from hyperseg_tf.pipelines.check import load_sample
from hyperseg_tf.pipelines.class_file import spread_colours
from hyperseg_tf.pipelines.classes import ClassTable
from hyperseg_tf.pipelines.datasets import Dataset, hold_back
from hyperseg_tf.pipelines.every_split import every_split
from hyperseg_tf.pipelines.label_reading import LabelReading

_SUFFIXES = {"PNG": ".png", "JPEG": ".jpg", "MPO": ".jpg"}


def convert(
    directory: str | Path,
    out: str | Path,
    overwrite: bool = False,
    progress: Progress | None = None,
    labels: str = "",
) -> dict[str, int]:
    """Write all splits of a data set of any known layout as an own folder.

    Args:
        out: The new folder; it appears once all is written.
        overwrite: Replace a folder that holds something.
        progress: Called with (samples done, samples in all) of each split.
        labels: How label files are read, as of `open_dataset`.

    Returns:
        Samples written, by split.

    Raises:
        UserError: The folder cannot be read, a sample breaks a rule of `check`, the
            splits differ in classes, or `out` may not be written.
    """
    return write_sets(every_split(directory, labels), out, overwrite, progress)


def make_val(
    directory: str | Path,
    out: str | Path,
    share: float = 0.1,
    overwrite: bool = False,
    progress: Progress | None = None,
    labels: str = "",
) -> dict[str, int]:
    """Write a data set without validation as an own folder with a part held back.

    The samples are those that `train --split-val SHARE` holds back.

    Args:
        share: Of the training samples, between 0 and 1, that become `val`.
        directory, out, overwrite, progress, labels: As of `convert`.

    Returns:
        Samples written, by split.

    Raises:
        UserError: As `convert`, or there is a `val`, no `train`, or one sample only.
        ValueError: `share` is not between 0 and 1.
    """
    sets = {dataset.split: dataset for dataset in every_split(directory, labels)}
    if "val" in sets or "train" not in sets:
        raise UserError(
            f"{directory}: a part of train is held back where there is no val: found "
            f"{', '.join(sets)}; join or rename the folders first."
        )
    rest, back = hold_back(sets.pop("train"), share, "val")
    return write_sets([rest, back, *sets.values()], out, overwrite, progress)


def write_sets(
    sets: Sequence[Dataset],
    out: str | Path,
    overwrite: bool = False,
    progress: Progress | None = None,
    beside: Callable[[Path], None] | None = None,
) -> dict[str, int]:
    """Write data sets of the same classes as the splits of an own folder.

    Args:
        beside: Called with the folder, which is complete but for its final name.
        out, overwrite, progress: As of `convert`.

    Returns:
        Samples written, by split.
    """
    classes = sets[0].classes
    with atomic_folder(out, overwrite) as folder:
        for dataset in sets:
            _write(dataset, folder, progress or bar(f"writing {dataset.split}"))
        table = replace(
            classes,
            void_values=(VOID,),
            values=tuple(range(len(classes))),
            rest_is_void=False,
            reading=LabelReading(),
        )
        table.write(folder / "classes.csv")
        if beside is not None:
            beside(folder)
    return {dataset.split: len(dataset) for dataset in sets}


def _write(dataset: Dataset, folder: Path, progress: Progress) -> None:
    palette = _palette(dataset.classes)

    def write(position: int) -> None:
        sample = dataset[position]
        label = load_sample(dataset, position)["label"]
        contents = sample.image_bytes()
        suffix = _SUFFIXES[open_header(BytesIO(contents)).format]
        name = _inside(sample.name)
        image = folder / dataset.split / "images" / f"{name}{suffix}"
        mask = folder / dataset.split / "labels" / f"{name}.png"
        for path in (image, mask):
            path.parent.mkdir(parents=True, exist_ok=True)
        image.write_bytes(contents)
        picture = Image.frombytes("P", label.shape[::-1], label.tobytes())
        picture.putpalette(palette)
        picture.save(mask)

    with ThreadPoolExecutor() as pool:
        for done, _ in enumerate(pool.map(write, range(len(dataset))), 1):
            progress(done, len(dataset))


def _palette(classes: ClassTable) -> list[int]:
    """Colours of 256 values; that of void is no class's."""
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(classes)] = classes.colours
    free = (*classes.void_colours, *spread_colours(256))
    palette[VOID] = next(c for c in free if c not in classes.colours)
    return palette.reshape(-1).tolist()


def _inside(name: str) -> str:
    """A name as a path below a folder."""
    return "/".join(p for p in PurePosixPath(name).parts if p not in ("/", "..", "."))
