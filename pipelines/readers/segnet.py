"""The SegNet tutorial's layout: `train.txt`, `train/`, `trainannot/`, ...

A list line holds an image and its label. The original lists have absolute paths
of their author's container (`/SegNet/CamVid/train/x.png`): only the last two
parts of those say where the file lies here.
"""

import os
from pathlib import Path, PurePosixPath

from hyperseg_tf.base.constants import SPLITS
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.regular_file import read_text
from hyperseg_tf.pipelines.class_tables import CAMVID
from hyperseg_tf.pipelines.classes import ClassTable
from hyperseg_tf.pipelines.datasets import Dataset, EmptySplit
from hyperseg_tf.pipelines.files import FilePairs
from hyperseg_tf.pipelines.readers import pairing
from hyperseg_tf.pipelines.readers.layout import Match
from hyperseg_tf.pipelines.samples import Finding

LINE_RULE = "a list line is `train/x.png trainannot/x.png`"


NAME = "SegNet tutorial"
LAYOUT = "train.txt of `train/x.png trainannot/x.png`, train and trainannot"


def look(directory: Path) -> Match:
    """A split list or a label folder of this layout, and no folder of images."""
    own = [directory / "images", *(directory / s / "images" for s in SPLITS)]
    named = any(os.path.isdir(directory / f"{split}annot") for split in SPLITS)
    listed = any(has_split(directory, split) for split in SPLITS)
    apart = named or not any(map(os.path.isdir, own))
    return Match.of(
        ("train.txt or trainannot", named or listed),
        ("no folder named images", apart),
    )


def has_split(directory: Path, split: str) -> bool:
    """Whether the list of `split` is there, or both of its folders."""
    return os.path.isfile(directory / f"{split}.txt") or _has_folders(directory, split)


def _has_folders(directory: Path, split: str) -> bool:
    return all(os.path.isdir(directory / name) for name in (split, f"{split}annot"))


def read(directory: Path, split: str, encoding: str | None) -> Dataset:
    """List the pairs of `split`; a `classes.csv` replaces CamVid's 11 classes."""
    class_file = directory / "classes.csv"
    classes = ClassTable.read(class_file) if os.path.lexists(class_file) else CAMVID
    list_file = directory / f"{split}.txt"
    if not os.path.lexists(list_file) and _has_folders(directory, split):
        folders = directory / split, directory / f"{split}annot"
        sides = pairing.from_folders(*folders)
        return pairing.dataset(directory, split, sides, classes, encoding)
    try:
        text = read_text(list_file)
    except FileNotFoundError as error:
        raise UserError(
            f"{list_file}: split {split} needs its list: found no such file; write "
            f"one line per pair, `{split}/x.png {split}annot/x.png`."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{list_file}: a list is readable UTF-8 text: {error}; correct it."
        ) from error
    pairs: list[tuple[Path, Path]] = []
    findings: list[Finding] = []
    first_line: dict[Path, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        parts = _two_paths(line)
        if parts is None:
            findings.append(
                Finding(
                    list_file,
                    LINE_RULE,
                    f"line {number} is {line[:80]!r}",
                    "write image and label, one space between",
                )
            )
            continue
        image, label = (_resolve(directory, part) for part in parts)
        if image in first_line:
            findings.append(
                Finding(
                    list_file,
                    "a list names an image once",
                    f"line {number} repeats line {first_line[image]} ({parts[0]})",
                    "remove one of them",
                )
            )
            continue
        first_line[image] = number
        pairs.append((image, label))
    if not pairs:
        first = f"; {findings[0].found}" if findings else ""
        error = UserError if findings else EmptySplit
        raise error(
            f"{list_file}: a split holds at least one pair: found none{first}; "
            f"write one line per pair, `{split}/x.png {split}annot/x.png`."
        )
    return Dataset(
        name=directory.resolve().name,
        directory=directory,
        split=split,
        classes=classes,
        samples=FilePairs.of(pairs, classes, encoding),
        findings=tuple(findings),
    )


def _two_paths(line: str) -> tuple[str, str] | None:
    """Image and label of a list line, or None where it cannot be told.

    Names with spaces are split where both halves end in the same file stem.
    """
    line = line.strip().replace("\\", "/")
    for words in (line.split("\t"), line.split()):
        if len(words) == 2:
            return words[0].strip(), words[1].strip()
    words = line.split(" ")
    halves = (
        (" ".join(words[:cut]).strip(), " ".join(words[cut:]).strip())
        for cut in range(1, len(words))
    )
    fitting = {
        half
        for half in halves
        if all(half) and PurePosixPath(half[0]).stem == PurePosixPath(half[1]).stem
    }
    return fitting.pop() if len(fitting) == 1 else None


def _resolve(directory: Path, listed: str) -> Path:
    inside = PurePosixPath(listed)
    path = directory / inside
    if inside.is_absolute() or not os.path.exists(path):
        path = directory.joinpath(*inside.parts[-2:])
    return path
