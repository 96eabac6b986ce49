"""From samples, images with labels, to batches: readers, check, transforms, stream."""

from pipelines.check import check, load_sample, require
from pipelines.check_folder import check_folder
from pipelines.class_tables import CAMVID
from pipelines.classes import ClassTable
from pipelines.datasets import (
    Dataset,
    EmptySplit,
    hold_back,
    join,
    read_by,
    with_void_as_class,
)
from pipelines.fingerprint import fingerprint
from pipelines.fix import fix
from pipelines.label_reading import LabelReading
from pipelines.opening import detect, open_dataset, splits
from pipelines.own_folder import convert, make_val
from pipelines.prepare import prepare
from pipelines.samples import Finding, Sample, Samples
from pipelines.show import show
from pipelines.stream import batches
from pipelines.stream_errors import Stream
from pipelines.transforms import (
    BalancedCrop,
    ColourJitter,
    CutMix,
    Cutout,
    KerasLayer,
    Normalise,
    PadTo,
    RandomBlur,
    RandomCrop,
    RandomFlip,
    RandomJpeg,
    RandomRotate,
    RandomScale,
    Resize,
    VoidToClass,
)
from pipelines.waiting import Waiting

__all__ = [
    "BalancedCrop",
    "CAMVID",
    "ClassTable",
    "ColourJitter",
    "CutMix",
    "Cutout",
    "Dataset",
    "EmptySplit",
    "Finding",
    "KerasLayer",
    "LabelReading",
    "Normalise",
    "PadTo",
    "RandomBlur",
    "RandomCrop",
    "RandomFlip",
    "RandomJpeg",
    "RandomRotate",
    "RandomScale",
    "Resize",
    "Sample",
    "Samples",
    "Stream",
    "VoidToClass",
    "Waiting",
    "batches",
    "check",
    "check_folder",
    "convert",
    "detect",
    "fingerprint",
    "fix",
    "hold_back",
    "join",
    "load_sample",
    "open_dataset",
    "prepare",
    "read_by",
    "require",
    "show",
    "make_val",
    "splits",
    "with_void_as_class",
]
