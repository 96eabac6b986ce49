"""From samples, images with labels, to batches: readers, check, transforms, stream."""

from pipelines.check import check, load_sample, require
from pipelines.check_folder import check_folder
from pipelines.classes import CAMVID, ClassTable
from pipelines.datasets import Dataset, join
from pipelines.opening import open_dataset, splits
from pipelines.samples import Finding, Sample, Samples
from pipelines.show import show
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
    "Sample",
    "Samples",
    "VoidToClass",
    "batches",
    "check",
    "check_folder",
    "join",
    "load_sample",
    "open_dataset",
    "require",
    "show",
    "splits",
]
