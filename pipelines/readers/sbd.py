"""SBD, the labels that make 10,582 of PASCAL VOC's 1,464 pictures: MATLAB files."""

import os
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.regular_file import read_regular
from hyperseg_tf.pipelines.array_pairs import ArrayPair
from hyperseg_tf.pipelines.classes import ClassTable
from hyperseg_tf.pipelines.samples import Finding

# Where it lies in its own archive, and where people put it.
_PLACES = ("benchmark_RELEASE/dataset", "benchmark/dataset", "SBD", "sbd", "dataset")


def find(*directories: Path) -> Path | None:
    """The folder with `cls/*.mat` in, or beside, the folders of VOC."""
    for directory in directories:
        for place in _PLACES:
            for inside in (place, f"{place}/dataset"):
                if os.path.isdir(directory / inside / "cls"):
                    return directory / inside
    return None


def sample(
    name: str, images: tuple[Path, ...], folder: Path, classes: ClassTable
) -> ArrayPair:
    """The sample of a name; its picture lies in the first of `images` that has it."""
    label = folder / "cls" / f"{name}.mat"
    pictures = [images_of / f"{name}.jpg" for images_of in (*images, folder / "img")]
    image = next((path for path in pictures if os.path.isfile(path)), pictures[0])
    return ArrayPair(name, image, label, classes, partial(read, label))


def require_scipy() -> None:
    """Raise `UserError` where MATLAB files cannot be read."""
    try:
        import scipy.io  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"labels of SBD are MATLAB files, which need scipy: {error}; "
            "pip install 'hyperseg_tf[data]', or use SegmentationClassAug."
        ) from error


def read(path: Path, findings: list[Finding]) -> np.ndarray | None:
    """The classes of a `.mat` file, int64 (H, W)."""
    from scipy.io import loadmat

    contents = read_regular(path)
    try:
        values = loadmat(BytesIO(contents))["GTcls"][0]["Segmentation"][0]
    except Exception as error:  # Anything, of damaged files.
        found = f"{type(error).__name__}: {error}"
    else:
        if values.ndim == 2 and np.issubdtype(values.dtype, np.integer):
            return values.astype(np.int64)
        found = f"{values.dtype} {values.shape}"
    rule = "a .mat label has integers (H, W) at GTcls.Segmentation"
    findings.append(Finding(path, rule, found, "restore it or take its pair out"))
    return None
