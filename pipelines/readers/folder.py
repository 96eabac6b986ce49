"""Anybody's own folder: `classes.csv`, `<split>/images/`, `<split>/labels/`.

An image belongs to the label of the same stem. Names are compared in Unicode's
composed form: a macOS archive writes the same umlaut in two ways.
"""

import unicodedata
from pathlib import Path

from hyperseg_tf.base.constants import SPLITS
from hyperseg_tf.base.errors import UserError
from pipelines.classes import ClassTable
from pipelines.datasets import Dataset
from pipelines.files import FilePairs
from pipelines.samples import Finding

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
LABEL_SUFFIXES = (".png",)
# Pictures that nobody should believe to be in use only because they are there.
OTHER_PICTURES = (".bmp", ".gif", ".heic", ".jp2", ".tif", ".tiff", ".webp")


def recognises(directory: Path) -> bool:
    """Whether an `images` folder of any split, or only a class file, is there."""
    if any(has_split(directory, split) for split in SPLITS):
        return True
    lists = any((directory / f"{split}.txt").exists() for split in SPLITS)
    return (directory / "classes.csv").exists() and not lists


def has_split(directory: Path, split: str) -> bool:
    """Whether the `images` folder of `split` is there."""
    return (directory / split / "images").is_dir()


def read(directory: Path, split: str, encoding: str | None) -> Dataset:
    """List the pairs of `split`, sorted by name."""
    classes = ClassTable.read(directory / "classes.csv")
    findings: list[Finding] = []
    images = _by_stem(directory / split / "images", IMAGE_SUFFIXES, findings)
    labels = _by_stem(directory / split / "labels", LABEL_SUFFIXES, findings)
    for stem in sorted(images.keys() - labels.keys()):
        findings.append(
            Finding(
                images[stem],
                "every image has a label of the same name",
                f"no {stem}.png in {directory / split / 'labels'}",
                "add the label or remove the image",
            )
        )
    for stem in sorted(labels.keys() - images.keys()):
        findings.append(
            Finding(
                labels[stem],
                "every label has an image of the same name",
                f"no {stem}.png or .jpg in {directory / split / 'images'}",
                "add the image or remove the label",
            )
        )
    stems = sorted(images.keys() & labels.keys())
    if not stems:
        first = (
            f"; first of {len(findings)} findings: {findings[0]}" if findings else ""
        )
        raise UserError(
            f"{directory / split}: a split holds at least one image with its label: "
            f"found {len(images)} images, {len(labels)} labels, no pair of the same "
            f"name; put pairs into images and labels{first}"
        )
    return Dataset(
        name=directory.resolve().name,
        directory=directory,
        split=split,
        classes=classes,
        samples=FilePairs.of(
            ((images[stem], labels[stem]) for stem in stems), classes, encoding
        ),
        findings=tuple(findings),
    )


def _by_stem(
    folder: Path, suffixes: tuple[str, ...], findings: list[Finding]
) -> dict[str, Path]:
    """Files of `folder` that end in `suffixes`, by composed stem."""
    if not folder.is_dir():
        raise UserError(
            f"{folder}: a split has the folders images and labels: found no such "
            "folder; create it, or name the existing one so."
        )
    files: dict[str, Path] = {}
    kinds = ", ".join(suffixes)
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name == "__MACOSX":
            continue
        suffix = path.suffix.lower()
        if path.is_dir():
            findings.append(
                Finding(
                    path,
                    f"{folder.name} holds files only",
                    "a folder",
                    "move its files up; what lies in it is not read",
                )
            )
        elif suffix in suffixes:
            stem = unicodedata.normalize("NFC", path.stem)
            if stem in files:
                findings.append(
                    Finding(
                        path,
                        "one file per name",
                        f"{files[stem].name} has the same stem",
                        "rename or remove one of them",
                    )
                )
            else:
                files[stem] = path
        elif suffix in OTHER_PICTURES + IMAGE_SUFFIXES:
            findings.append(
                Finding(
                    path,
                    f"{folder.name} are {kinds}",
                    f"a {suffix} file",
                    "convert it to PNG or remove it",
                )
            )
    return files
