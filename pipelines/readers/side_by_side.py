"""A folder of images and one of labels, whatever their names, with a class file.

`images/train` and `labels/train`, `img_dir/train` and `ann_dir/train`, `train` and
`train_labels`, `train/images` and `train/masks`; or no splits, `images` and `masks`,
which is train, or what `train.txt` and the like name. Names of folders are those of
`layout.py`.
"""

import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.regular_file import read_text
from hyperseg_tf.pipelines import class_file
from hyperseg_tf.pipelines.classes import ClassTable
from hyperseg_tf.pipelines.datasets import Dataset
from hyperseg_tf.pipelines.readers import ade20k, camvid, pairing
from hyperseg_tf.pipelines.readers.layout import (
    IMAGE_FOLDERS,
    LABEL_FOLDERS,
    SPLIT_NAMES,
    Match,
    has_files,
    split_folder,
)
from hyperseg_tf.pipelines.readers.listing import (
    IMAGE_SUFFIXES,
    LABEL_SUFFIXES,
    Listing,
    folders,
)
from hyperseg_tf.pipelines.samples import Finding

NAME = "images and labels side by side"
LAYOUT = (
    "images/train and labels/train, train and train_labels, train/images and "
    "train/masks, or images and masks, with a class file"
)

Pair = tuple[Path, Path]

# Of the first file on a line of a list.
_ENDING = re.compile(r"\.(?:png|jpe?g|bmp|gif|tiff?|webp)(?=\s|$)", re.IGNORECASE)


def look(directory: Path) -> Match:
    """A pair of folders for any split."""
    pairs = [pair for split in SPLIT_NAMES for pair in _pairs(directory, split)]
    if not pairs:
        return _near(directory)
    shown = ", ".join(str(path.relative_to(directory)) for path in pairs[0])
    return Match.of((shown, pairs))


def _near(directory: Path) -> Match:
    """Folders of the right names, of which one holds no pictures."""
    for split in SPLIT_NAMES:
        for images, labels in _candidates(directory, split):
            parts = (images, IMAGE_SUFFIXES), (labels, LABEL_SUFFIXES)
            return Match.of(*(_part(directory, *part) for part in parts))
    return Match.of(("a folder of images beside one of labels", False))


def _part(directory: Path, folder: Path, suffixes: tuple[str, ...]):
    there = has_files(folder, suffixes)
    name = str(folder.relative_to(directory))
    if there:
        return name, True
    return f"pictures in {name} (it holds {Listing.of(folder).suffixes()})", False


def has_split(directory: Path, split: str) -> bool:
    """Whether the two folders of `split` are there."""
    return bool(list(_pairs(directory, split)))


def read(directory: Path, split: str, encoding: str | None) -> Dataset:
    """List the pairs of `split`, sorted by name.

    Raises:
        UserError: There is no pair of folders, or more than one.
    """
    pairs = list(_pairs(directory, split))
    if not pairs:
        raise UserError(
            f"{directory}: split {split} has a folder of images and one of labels: "
            f"found none; name them like {LAYOUT}, or give train a part for {split}."
        )
    if len(pairs) > 1:
        (_, one), (_, other) = pairs[:2]
        raise UserError(
            f"{directory}: a split has one folder of labels: found "
            f"{one.relative_to(directory)} and {other.relative_to(directory)} for "
            f"{split}; move one of them elsewhere."
        )
    ((images, labels),) = pairs
    own = class_file.find(directory, images.parent, labels.parent, labels)
    classes = ClassTable.read(own or directory / class_file.NAMES[0])
    sides = pairing.from_folders(images, labels)
    names = _listed(directory, split) if _is_flat(images) else None
    if names is not None:
        _keep(sides, names, directory / f"{split}.txt")
    return pairing.dataset(directory, split, sides, classes, encoding, images)


def _listed(directory: Path, split: str) -> list[str] | None:
    """Names, without folder and ending, in the list of a split, if there is one."""
    path = directory / f"{split}.txt"
    if not os.path.isfile(path):
        return None
    try:
        lines = read_text(path).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path}: a list is readable UTF-8 text: {error}; correct it."
        ) from error
    return [_stem(line) for line in lines if line.strip()]


def _stem(line: str) -> str:
    """The name of the image on a line, behind which its label may stand."""
    line = line.strip().replace("\\", "/")
    ending = _ENDING.search(line)
    name = line[: ending.start()] if ending else line
    return unicodedata.normalize("NFC", name.rpartition("/")[2])


def _keep(sides: pairing.Sides, names: list[str], path: Path) -> None:
    """Only the images in a list, and the labels that go with them."""
    wanted = set(names)
    kept = {k: p for k, p in sides.images.items() if k.rpartition("/")[2] in wanted}
    label_of = {k: label for k, _, label in pairing.Sides(kept, sides.labels).pairs()}
    gone = wanted - {key.rpartition("/")[2] for key in kept}
    if gone:
        shown = ", ".join(sorted(gone)[:3])
        sides.findings.append(
            Finding(
                path,
                "every name of a list has a picture",
                f"no such file: {len(gone)} names ({shown}{', ...' * (len(gone) > 3)})",
                "restore it or take its name out of the list",
            )
        )
    sides.images = kept
    sides.labels = {k: p for k, p in sides.labels.items() if p in label_of.values()}


def _pairs(directory: Path, split: str) -> Iterator[Pair]:
    """Every (images, labels) that may be the split; `folder.py`'s are left out."""
    known = ade20k.look(directory).recognised or camvid.look(directory).recognised
    if known:
        return
    seen = list(_candidates(directory, split))
    yield from (
        (images, labels)
        for images, labels in dict.fromkeys(seen)
        if has_files(images, IMAGE_SUFFIXES) and has_files(labels, LABEL_SUFFIXES)
    )


def _candidates(directory: Path, split: str) -> Iterator[Pair]:
    there = folders(directory)
    images = [there[name] for name in IMAGE_FOLDERS if name in there]
    labels = [there[name] for name in LABEL_FOLDERS if name in there]
    # images/train, labels/train
    for one in images:
        inside = split_folder(one, split)
        for other in labels:
            beside = split_folder(other, split)
            if inside is not None and beside is not None:
                yield inside, beside
            elif _is_flat(one) and _is_flat(other) and _holds(directory, split):
                # No folders of splits: images, masks.
                yield one, other
    folder = split_folder(directory, split)
    if folder is None:
        return
    # train, train_labels
    for name in LABEL_FOLDERS:
        for mark in ("_", "-", ""):
            beside = there.get(f"{folder.name.lower()}{mark}{name}")
            if beside is not None and beside != directory / f"{split}annot":
                yield folder, beside
    # train/images, train/masks
    inner = folders(folder)
    for one in IMAGE_FOLDERS:
        for other in LABEL_FOLDERS:
            own = (one, other) == ("images", "labels")
            if one in inner and other in inner and not own:
                yield inner[one], inner[other]


def _is_flat(folder: Path) -> bool:
    return all(split_folder(folder, split) is None for split in SPLIT_NAMES)


def _holds(directory: Path, split: str) -> bool:
    """Whether the split is there without a folder: by its list, or as train."""
    if not _is_flat(directory):
        return False
    lists = [s for s in SPLIT_NAMES if os.path.isfile(directory / f"{s}.txt")]
    return split in lists if lists else split == "train"
