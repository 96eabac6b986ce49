"""PASCAL VOC's layout: `JPEGImages`, `SegmentationClass`, lists in `ImageSets`.

VOC 2012 as downloaded, where train grows to the 10,582 pictures of the published runs
by `SegmentationClassAug` or by SBD beside it: (SBD train + SBD val + VOC train) - VOC
val, VOC's own labels first. CVAT's and Datumaro's exports, with `labelmap.txt`, too.
"""

import os
from pathlib import Path

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.regular_file import read_text
from hyperseg_tf.pipelines import class_file
from hyperseg_tf.pipelines.array_pairs import Unlabelled
from hyperseg_tf.pipelines.class_tables import VOC
from hyperseg_tf.pipelines.classes import ClassTable
from hyperseg_tf.pipelines.datasets import Dataset, EmptySplit
from hyperseg_tf.pipelines.files import FilePairs
from hyperseg_tf.pipelines.readers import sbd
from hyperseg_tf.pipelines.readers.layout import Match
from hyperseg_tf.pipelines.readers.listing import LABEL_SUFFIXES, is_litter, together
from hyperseg_tf.pipelines.readers.pairing import samples_of
from hyperseg_tf.pipelines.samples import Finding, SampleList, Samples

NAME = "PASCAL VOC"
LAYOUT = "JPEGImages, SegmentationClass and ImageSets/Segmentation/train.txt"

IMAGES, LABELS, AUGMENTED = "JPEGImages", "SegmentationClass", "SegmentationClassAug"
LISTS = Path("ImageSets/Segmentation")
_PLACES = (".", "VOC2012", "VOCdevkit/VOC2012")
_AUGMENTED_LISTS = ("trainaug", "train_aug")
_IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".JPG", ".PNG")


def look(directory: Path) -> Match:
    """The three folders, here or in `VOCdevkit/VOC2012`."""
    root = _root(directory)
    labels = [n for n in (LABELS, AUGMENTED) if os.path.isdir(root / n)]
    return Match.of(
        (IMAGES, os.path.isdir(root / IMAGES)),
        (labels[0] if labels else LABELS, labels),
        (str(LISTS), os.path.isdir(root / LISTS)),
    )


def has_split(directory: Path, split: str) -> bool:
    """Whether there is a list of `split`."""
    return _list(_root(directory), split) is not None


def read(directory: Path, split: str, encoding: str | None) -> Dataset:
    """List the pairs of `split` in the order of its list."""
    root = _root(directory)
    own = class_file.find(root, directory)
    classes = VOC if own is None else ClassTable.read(own)
    listed = _list(root, split)
    if listed is None:
        raise UserError(
            f"{root / LISTS / split}.txt: split {split} needs its list: found no such "
            "file; write one name per line."
        )
    names = _names(listed)
    notes: tuple[str, ...] = ()
    if listed.stem not in (split, *_AUGMENTED_LISTS):
        notes += (f"{listed}: taken for {split}, the only list there is",)
    more: dict[str, Path] = {}
    folders = [LABELS, AUGMENTED]
    if split == "train" and own is None:
        names, more, note = _augmented(root, directory, names)
        notes += note
        folders = folders[::-1]
    findings: list[Finding] = []
    samples = _samples(root, split, names, folders, more, classes, encoding, findings)
    if not len(samples):
        error = UserError if names else EmptySplit
        raise error(
            f"{listed}: a split holds at least one pair: found {len(names)} names and "
            f"no pair in {IMAGES} and {LABELS}; write names without ending, a line "
            "each."
        )
    return Dataset(
        directory.resolve().name,
        directory,
        split,
        classes,
        samples,
        tuple(findings),
        notes,
    )


def _samples(
    root: Path,
    split: str,
    names: list[str],
    folders: list[str],
    more: dict[str, Path],
    classes: ClassTable,
    encoding: str | None,
    findings: list[Finding],
) -> Samples:
    """Pairs of files, then those of SBD; what lacks a half is noted."""
    pairs, matlab, alone, nowhere = [], [], [], []
    for name in names:
        image = _file(root, [IMAGES], name, _IMAGE_ENDINGS)
        label = _file(root, folders, name, LABEL_SUFFIXES)
        if label is None and name in more:
            matlab.append(sbd.sample(name, (root / IMAGES,), more[name], classes))
        elif image is None:
            nowhere.append(root / IMAGES / f"{name}.jpg")
        elif label is None:
            alone.append((name, image))
        else:
            pairs.append((name, image, label))
    findings += together(
        root / IMAGES,
        nowhere,
        "every name of a list has a picture",
        "no such file",
        "restore it or take its name out of the list",
    )
    if split == "test" and not pairs:
        return SampleList(tuple(Unlabelled.of(*pair, classes) for pair in alone))
    findings += together(
        root / IMAGES,
        [image for _, image in alone],
        "every image has a label of the same name",
        f"no label in {' or '.join(folders)}",
        "add the label or take its name out of the list",
    )
    if matlab:
        sbd.require_scipy()
    if not pairs:
        return SampleList(tuple(matlab))
    known = encoding or ("index" if classes is VOC and _is_png(pairs) else None)
    samples = samples_of(pairs, classes, known)
    return samples.joined(SampleList(tuple(matlab))) if matlab else samples


def _is_png(pairs: list[tuple[str, Path, Path]]) -> bool:
    return FilePairs.of([pairs[0][1:]], VOC, None).encoding == "index"


def _augmented(
    root: Path, directory: Path, train: list[str]
) -> tuple[list[str], dict[str, Path], tuple[str, ...]]:
    """Names of the larger training set, where SBD has each, and what to say of it."""
    listed = [root / LISTS / f"{name}.txt" for name in _AUGMENTED_LISTS]
    found = next((path for path in listed if os.path.isfile(path)), None)
    held_out = set(_names(root / LISTS / "val.txt", optional=True))
    if os.path.isdir(root / AUGMENTED):
        if found is not None:
            names = _names(found)
        else:
            stems = (p.stem for p in (root / AUGMENTED).glob("*.png"))
            names = sorted({*stems, *train} - held_out)
        return names, {}, (f"{root / AUGMENTED}: train is {len(names)} pictures",)
    folder = sbd.find(directory, root, root.parent, root.parent.parent)
    if folder is None:
        note = f"train is VOC's own {len(train)} pictures; the published run adds SBD"
        return train, {}, (f"{root}: {note}",)
    lists = [_names(folder / f"{name}.txt", optional=True) for name in ("train", "val")]
    theirs = {*lists[0], *lists[1]} - held_out
    names = sorted(theirs | ({*train} - held_out))
    note = f"{folder}: train is {len(names)} pictures, with SBD"
    return names, dict.fromkeys(theirs, folder), (note,)


def _root(directory: Path) -> Path:
    places = (directory / place for place in _PLACES)
    return next((p for p in places if os.path.isdir(p / IMAGES)), directory)


def _list(root: Path, split: str) -> Path | None:
    """The list of a split; a single list of another name is that of train."""
    path = root / LISTS / f"{split}.txt"
    if os.path.isfile(path):
        return path
    there = [p for p in sorted((root / LISTS).glob("*.txt")) if not is_litter(p.name)]
    if split != "train":
        return None
    for name in _AUGMENTED_LISTS:
        if root / LISTS / f"{name}.txt" in there:
            return root / LISTS / f"{name}.txt"
    known = ("val", "test", "trainval")
    others = [p for p in there if p.stem not in known]
    return others[0] if len(others) == 1 else None


def _names(path: Path, optional: bool = False) -> list[str]:
    """The first word of every line, without ending; each once."""
    if optional and not os.path.isfile(path):
        return []
    try:
        lines = read_text(path).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path}: a list is readable UTF-8 text: {error}; correct it."
        ) from error
    return list(dict.fromkeys(line.strip() for line in lines if line.strip()))


def _file(root: Path, folders: list[str], name: str, endings) -> Path | None:
    for folder in folders:
        for ending in endings:
            path = root / folder / f"{name}{ending}"
            if os.path.isfile(path):
                return path
    return None
