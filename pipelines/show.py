"""Pictures of samples with their labels drawn over them, to look at."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from hyperseg_tf import visualise
from hyperseg_tf.base.errors import UserError
from pipelines.check import load_sample
from pipelines.datasets import Dataset


def show(
    dataset: Dataset,
    out: str | Path,
    count: int = 8,
    on_picture: Callable[[Path], object] | None = None,
) -> list[Path]:
    """Write samples, evenly spread over the data set, with labels and a legend.

    Args:
        out: Folder of the PNGs, `<split>_<position>_<name>.png`; made if need be.
        count: How many samples; all where there are fewer.
        on_picture: Called with the path of each picture once it is written.

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
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{out}: pictures are written to a folder: {error.strerror}; "
            "give another --out."
        ) from error
    paths = []
    count = min(count, len(dataset))
    for i in np.linspace(0, len(dataset) - 1, count).round().astype(int):
        sample = load_sample(dataset, i)
        picture = visualise.overlay(sample["image"], sample["label"], classes.colours)
        picture = visualise.with_legend(picture, classes.names, classes.colours)
        name = re.sub(r"[^\w.-]+", "_", dataset[i].name)
        path = out / f"{dataset.split}_{i:05d}_{name}.png"
        Image.fromarray(np.asarray(picture)).save(path)
        paths.append(path)
        if on_picture:
            on_picture(path)
    return paths
