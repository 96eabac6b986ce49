"""The labels that a model is scored on, read as those it was trained on were.

What `--read-labels` said in training is part of the recipe in the model's metadata.
Read in another way, the same files would be labels of other classes, and the score
wrong without a sign.
"""

from collections.abc import Mapping
from pathlib import Path

import keras

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.progress import say
from hyperseg_tf.base.text import shortened
from hyperseg_tf.pipelines import Dataset, LabelReading, open_dataset, read_by

_OTHERWISE = "give --read-labels RULES (labels=), or '' for as the class file says"


def open_data(
    data: Dataset | str | Path,
    split: str | None,
    labels: str | None,
    model: keras.Model,
) -> Dataset:
    """The data to score `model` on, with its label files read.

    Args:
        data: An open dataset, or the folder of one.
        split: Of a folder, "val" by default; None for a dataset.
        labels: How label files are read; empty for as the class file says. None leaves
            an open dataset as it is, and reads a folder's as the model's training did.

    Raises:
        UserError: The folder cannot be read, or `labels` do not suit its files.
        ValueError: An open dataset has another split.
    """
    if not isinstance(data, str | Path):
        if split is not None and split != data.split:
            raise ValueError(
                f"an open dataset has its split, {data.split}: got {split=}; open "
                "the other one."
            )
        return data if labels is None else read_by(data, labels)
    split = split or "val"
    if labels is not None:
        return open_dataset(data, split, labels=labels)
    found = open_dataset(data, split)
    reading = trained_reading(model)
    return _as_trained(found, reading) if str(reading) else found


def trained_reading(model: keras.Model) -> LabelReading:
    """How the label files that a model was trained on were read.

    Raises:
        UserError: Its metadata say something else than training writes.
    """
    recipe = getattr(model, "metadata", {}).get("recipe")
    text = recipe.get("read_labels", "") if isinstance(recipe, Mapping) else ""
    try:
        if not isinstance(text, str):
            raise ValueError("that is no text")
        return LabelReading.parse(text)
    except ValueError as error:
        raise UserError(
            "the metadata of a model have the --read-labels of its training: got "
            f"{shortened(text)} ({shortened(error, 200)}); {_OTHERWISE}."
        ) from None


def _as_trained(data: Dataset, reading: LabelReading) -> Dataset:
    try:
        data.samples.with_classes(data.classes)
    except UserError:
        say(
            f"labels of {data.directory} are no files of values or colours, so they "
            f"are not read by {reading}, as in the model's training"
        )
        return data
    try:
        found = read_by(data, reading)
    except UserError as error:
        raise UserError(
            f"{error} The model was trained on labels read so; {_OTHERWISE}."
        ) from error
    say(
        f"labels of {data.directory} are read by {reading}, as in the model's "
        "training; --read-labels says otherwise"
    )
    return found
