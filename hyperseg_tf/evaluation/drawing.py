"""The worst and the best pictures of an evaluation, drawn to be looked at."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from hyperseg_tf import visualise
from hyperseg_tf.base.atomic import atomic_folder
from hyperseg_tf.base.progress import say
from hyperseg_tf.evaluation.result import Evaluation
from hyperseg_tf.pipelines import Dataset, load_sample
from hyperseg_tf.protocols import Protocol


def draw_ends(
    result: Evaluation,
    data: Dataset,
    protocol: Protocol,
    class_maps: Callable[[np.ndarray], np.ndarray],
    folder: str | Path,
    count: int,
) -> list[Path]:
    """Draw the worst and the best pictures: image, label, prediction, errors.

    Errors are red and what is right green, void is the bare image; below is a legend of
    the classes that are there.

    Args:
        result: Of `data` under `protocol`.
        class_maps: What was scored; it answers these pictures once more.
        folder: New; it appears once all are written, `worst_01_NAME.png` and on.
        count: Pictures at either end; no picture is drawn twice.

    Raises:
        UserError: `folder` is a file, or holds something.
    """
    ranking = result.ranking
    count = min(count, (len(ranking) + 1) // 2)
    worst = ranking[:count]
    best = [i for i in ranking[::-1][:count] if i not in worst]
    colours = _colours(result, data)
    if said := visualise.said_of_colours(result.names, colours):
        say(f"note: {said}")
    has_void = protocol.has_void(data.classes.names)
    folder, names = Path(folder), []
    with atomic_folder(folder) as temporary:
        for what, positions in (("worst", worst), ("best", best)):
            for number, i in enumerate(positions, 1):
                sample = load_sample(data, i)
                source = str(data[i].label_source)
                label = protocol.label(sample["label"], source, has_void)
                found = class_maps(sample["image"][None])[0]
                score = result.picture_scores[i]
                title = f"{data[i].name}  mIoU {score:.4f}"
                row = visualise.Compared(sample["image"], label, found, title)
                picture = visualise.compared([row], result.names, colours)
                plain = re.sub(r"[^\w.-]+", "_", data[i].name)
                names.append(f"{what}_{number:02d}_{plain}.png")
                Image.fromarray(picture).save(temporary / names[-1])
    return [folder / name for name in names]


def _colours(result: Evaluation, data: Dataset):
    """Those of the data; what the model or the protocol has besides gets some."""
    given = dict(zip(data.classes.names, data.classes.colours, strict=True))
    own = len(result.names) == len(data.classes)
    return list(data.classes.colours) if own else [given.get(n) for n in result.names]
