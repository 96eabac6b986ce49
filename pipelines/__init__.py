"""From samples, images with labels, to batches: readers, check, transforms, stream."""

if __name__ != "hyperseg_tf.pipelines":
    # In a checkout the folder is in Python's path, too: classes would exist twice.
    raise ImportError(
        "pipelines is a part of hyperseg_tf: got `import pipelines`; write "
        "`from hyperseg_tf import pipelines`."
    )

from hyperseg_tf.pipelines.check import check, load_sample, require
from hyperseg_tf.pipelines.check_folder import check_folder
from hyperseg_tf.pipelines.class_tables import CAMVID
from hyperseg_tf.pipelines.classes import ClassTable
from hyperseg_tf.pipelines.datasets import (
    Dataset,
    EmptySplit,
    hold_back,
    join,
    read_by,
    with_void_as_class,
)
from hyperseg_tf.pipelines.fingerprint import fingerprint
from hyperseg_tf.pipelines.fix import fix
from hyperseg_tf.pipelines.label_reading import LabelReading
from hyperseg_tf.pipelines.opening import detect, open_dataset, splits
from hyperseg_tf.pipelines.own_folder import convert, make_val
from hyperseg_tf.pipelines.prepare import prepare
from hyperseg_tf.pipelines.samples import Finding, Sample, Samples
from hyperseg_tf.pipelines.show import show
from hyperseg_tf.pipelines.stream import batches
from hyperseg_tf.pipelines.stream_errors import Stream
from hyperseg_tf.pipelines.transforms import (
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
from hyperseg_tf.pipelines.waiting import Waiting

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
