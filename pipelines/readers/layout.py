"""What readers say about a folder: how much of their layout is there.

Names of splits and of the folders of images and labels come in many spellings; all that
are known are here.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hyperseg_tf.base.constants import SPLITS
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.pipelines.readers.listing import folders

SPLIT_NAMES = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}

IMAGE_FOLDERS = (
    "images image imgs img img_dir jpegimages pictures photos frames rgb input inputs"
).split()
LABEL_FOLDERS = (
    "labels label masks mask annotations annotation annots ann_dir gt ground_truth "
    "groundtruth segmentation segmentations segmentationclass semantic target targets"
).split()


@dataclass(frozen=True)
class Match:
    """How far a folder has a layout.

    Attributes:
        found: What of it is there, in words.
        missing: What is not; nothing where the folder has the layout.
    """

    found: tuple[str, ...]
    missing: tuple[str, ...]

    @classmethod
    def of(cls, *parts: tuple[str, object]) -> "Match":
        """From (what, whether it is there) of every part that a layout needs.

        What begins with "no" only says what must not be there, which is no likeness.
        """
        return cls(
            tuple(w for w, there in parts if there and not w.startswith("no ")),
            tuple(what for what, there in parts if not there),
        )

    def without(self, what: str) -> "Match":
        """The same, where `what` may be missing."""
        return Match(self.found, tuple(part for part in self.missing if part != what))

    @property
    def recognised(self) -> bool:
        """Whether everything is there."""
        return not self.missing


def split_folder(directory: Path, split: str) -> Path | None:
    """The folder of a split by any of its names; None where there is none.

    Raises:
        UserError: There are two of them.
    """
    there = folders(directory)
    found = [there[name] for name in SPLIT_NAMES[split] if name in there]
    if len(found) > 1:
        raise UserError(
            f"{directory}: a split has one folder: found {found[0].name} and "
            f"{found[1].name} for {split}; join them or move one away."
        )
    return found[0] if found else None


def split_folders(directory: Path) -> dict[str, Path]:
    """Every split that has a folder, with it."""
    found = ((split, split_folder(directory, split)) for split in SPLITS)
    return {split: folder for split, folder in found if folder is not None}


def has_files(folder: Path, suffixes: Iterable[str]) -> bool:
    """Whether a folder, or one in it, has a file that ends in one of `suffixes`."""
    suffixes = tuple(suffixes)
    for _, _, names in os.walk(folder, followlinks=False):
        if any(name.lower().endswith(suffixes) for name in names):
            return True
    return False
