"""From a folder of images and labels to batches: readers, check, transforms, stream."""

from pipelines.check import check, require
from pipelines.classes import CAMVID, ClassTable
from pipelines.datasets import Dataset, Finding, join, load_sample, open_dataset, splits
from pipelines.stream import batches
from pipelines.transforms import (
    Normalise,
    PadTo,
    RandomCrop,
    RandomFlip,
    RandomScale,
    Resize,
    VoidToClass,
)

__all__ = [
    "CAMVID",
    "ClassTable",
    "Dataset",
    "Finding",
    "Normalise",
    "PadTo",
    "RandomCrop",
    "RandomFlip",
    "RandomScale",
    "Resize",
    "VoidToClass",
    "batches",
    "check",
    "join",
    "load_sample",
    "open_dataset",
    "require",
    "splits",
]
