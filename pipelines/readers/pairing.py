"""Which image belongs to which label: by name, in the folders that a reader found.

Names are paths below the two folders, without suffix. Where they differ only by a word
that says what the file is (`x.jpg` and `x_mask.png`, `img_7.png` and `label_7.png`),
they belong together, too.
"""

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.pipelines.classes import ClassTable
from hyperseg_tf.pipelines.datasets import Dataset, EmptySplit
from hyperseg_tf.pipelines.files import FilePair, FilePairs
from hyperseg_tf.pipelines.label_files import LabelFile
from hyperseg_tf.pipelines.readers.listing import (
    IMAGE_SUFFIXES,
    LABEL_SUFFIXES,
    OTHER_PICTURES,
    Listing,
    together,
)
from hyperseg_tf.pipelines.samples import Finding, SampleList, Samples

_LABEL_WORDS = (
    "annotation|annot|gt|groundtruth|gtfine|l|label|labels|labelids|mask|masks|seg"
    "|segmentation"
)
_IMAGE_WORDS = "image|img|leftimg8bit|photo|picture|rgb|sat"


# What JPEG leaves behind in a mask is still there in a PNG of it.
_THEN_NEAREST = " and read that by --read-labels nearest,"


@dataclass
class Sides:
    """Images and labels by name, and what cannot be used of their folders.

    Attributes:
        others: What lies where labels should, for a split without any.
    """

    images: dict[str, Path] = field(default_factory=dict)
    labels: dict[str, Path] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    notes: tuple[str, ...] = ()
    others: str = ""

    def pairs(self) -> list[tuple[str, Path, Path]]:
        """(name, image, label), sorted by name; what is left over becomes findings."""
        label_of: dict[str, str] = {k: k for k in self.images if k in self.labels}
        taken = set(label_of.values())
        for image_key in (str, _core(_IMAGE_WORDS)):
            images = _unique(self.images.keys() - label_of.keys(), image_key)
            labels = _unique(self.labels.keys() - taken, _core(_LABEL_WORDS))
            for core in images.keys() & labels.keys():
                label_of[images[core]] = labels[core]
                taken.add(labels[core])
        label_of |= self._by_last_part(label_of)
        taken = set(label_of.values())
        self._note_rest(
            "every image has a label of the same name",
            "no label",
            "add the label or remove the image",
            [self.images[k] for k in sorted(self.images.keys() - label_of.keys())],
        )
        self._note_rest(
            "every label has an image of the same name",
            "no image",
            "add the image or remove the label",
            [self.labels[k] for k in sorted(self.labels.keys() - taken)],
        )
        return [(k, self.images[k], self.labels[label_of[k]]) for k in sorted(label_of)]

    def _by_last_part(self, label_of: dict[str, str]) -> dict[str, str]:
        """Pairs of which only one half lies in folders of its own."""
        images = _unique(self.images.keys() - label_of.keys(), _last_part)
        rest = self.labels.keys() - set(label_of.values())
        labels = _unique(rest, lambda key: label_core(_last_part(key)))
        both = ((images[k], labels[k]) for k in images.keys() & labels.keys())
        return {i: k for i, k in both if "/" not in i or "/" not in k}

    def _note_rest(self, rule: str, found: str, remedy: str, rest: list[Path]) -> None:
        if rest:
            common = Path(os.path.commonpath([path.parent for path in rest]))
            self.findings += together(common, rest, rule, found, remedy)


def from_folders(images: Path, labels: Path) -> Sides:
    """The two sides of a split that has a folder for each.

    Raises:
        UserError: One of them is missing or cannot be listed.
    """
    sides = Sides()
    listings = Listing.of(require(images)), Listing.of(require(labels))
    sides.images = by_key(listings[0], IMAGE_SUFFIXES, sides.findings)
    sides.labels = by_key(listings[1], LABEL_SUFFIXES, sides.findings)
    known = (*IMAGE_SUFFIXES, *LABEL_SUFFIXES, *OTHER_PICTURES)
    sides.notes = listings[0].note(known) + listings[1].note(known)
    if not sides.labels:
        sides.others = f" ({labels.name} holds {listings[1].suffixes()})"
    return sides


def require(folder: Path) -> Path:
    """The folder; UserError where it is none."""
    if not os.path.isdir(folder):
        raise UserError(
            f"{folder}: a split has the folders images and labels: found no such "
            "folder; create it, or name the existing one so."
        )
    return folder


def by_key(
    listing: Listing,
    suffixes: tuple[str, ...],
    findings: list[Finding],
    key: Callable[[Path], str | None] | None = None,
) -> dict[str, Path]:
    """Files that end in `suffixes` by name; other pictures and doubles are findings.

    Args:
        key: Name of a file; None leaves it out.
    """
    folder = listing.folder
    files: dict[str, Path] = {}
    others: dict[str, list[Path]] = {}
    for path in listing.files:
        suffix = path.suffix.lower()
        if suffix in suffixes:
            name = (key or listing.key)(path)
            if name is None:
                continue
            if name in files:
                findings.append(
                    Finding(
                        path,
                        "one file per name",
                        f"{files[name].name} has the same stem",
                        "rename or remove one of them",
                    )
                )
            else:
                files[name] = path
        elif suffix in OTHER_PICTURES + IMAGE_SUFFIXES:
            others.setdefault(suffix, []).append(path)
    for suffix, paths in others.items():
        jpeg = suffix in (".jpg", ".jpeg")
        findings += together(
            folder,
            paths,
            f"{folder.name} are {', '.join(suffixes)}",
            f"a {suffix} file" + ", which loses label values" * jpeg,
            "convert it to PNG" + _THEN_NEAREST * jpeg + " or remove it",
        )
    return files


def dataset(
    directory: Path,
    split: str,
    sides: Sides,
    classes: ClassTable,
    encoding: str | None,
    where: Path | None = None,
) -> Dataset:
    """The data set of a split from its two sides.

    Args:
        where: Folder to name where there is no pair; `directory / split` else.

    Raises:
        EmptySplit: There is no file, so nothing to pair.
        UserError: There is no pair.
    """
    pairs = sides.pairs()
    if not pairs:
        found = len(sides.findings)
        error = UserError if sides.images or sides.labels or found else EmptySplit
        first = f"; first of {found} findings: {sides.findings[0]}" if found else "."
        raise error(
            f"{where or directory / split}: a split holds at least one image with its "
            f"label: found {len(sides.images)} images, {len(sides.labels)} labels"
            f"{sides.others}, no pair of the same name; put pairs into images and "
            f"labels{first}"
        )
    return Dataset(
        name=directory.resolve().name,
        directory=directory,
        split=split,
        classes=classes,
        samples=samples_of(pairs, classes, encoding),
        findings=tuple(sides.findings),
        notes=sides.notes,
    )


def samples_of(
    pairs: Iterable[tuple[str, Path, Path]], classes: ClassTable, encoding: str | None
) -> Samples:
    """Samples of (name, image, label); PNGs alone are decoded in the graph."""
    pairs = list(pairs)
    names = [name for name, _, _ in pairs]
    files = FilePairs.of([pair[1:] for pair in pairs], classes, encoding, names)
    if all(label.suffix.lower() == ".png" for _, _, label in pairs):
        return files
    return SampleList(tuple(_sample(pair) for pair in files.pairs))


def _sample(pair: FilePair):
    if pair.label_source.suffix.lower() == ".png":
        return pair
    return LabelFile(pair.name, pair.image_source, pair.label_source, pair.classes)


def _core(words: str) -> Callable[[str], str]:
    """A function that takes one of `words` off the end or the beginning of a name."""
    end = re.compile(rf"[_\-. ]({words})$", re.IGNORECASE)
    beginning = re.compile(rf"^({words})[_\-. ]+", re.IGNORECASE)

    def core(key: str) -> str:
        folder, slash, name = key.rpartition("/")
        shorter = end.sub("", name)
        return (
            folder + slash + (shorter if shorter != name else beginning.sub("", name))
        )

    return core


# What is left of the name of a label without such a word.
label_core = _core(_LABEL_WORDS)


def _last_part(key: str) -> str:
    return key.rpartition("/")[2]


def _unique(keys: Iterable[str], core: Callable[[str], str]) -> dict[str, str]:
    """Names by what `core` makes of them, where only one becomes that."""
    by_core: dict[str, list[str]] = {}
    for key in keys:
        by_core.setdefault(core(key), []).append(key)
    return {name: found[0] for name, found in by_core.items() if len(found) == 1}
