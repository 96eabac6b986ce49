"""The SegNet tutorial's layout: `train.txt`, `train/`, `trainannot/`, ...

A list line holds an image and its label. The original lists have absolute paths
of their author's container (`/SegNet/CamVid/train/x.png`): only the last two
parts of those say where the file lies here.
"""

from pathlib import Path, PurePosixPath

from hyperseg_tf.base.constants import SPLITS
from hyperseg_tf.base.errors import UserError
from pipelines.classes import CAMVID, ClassTable
from pipelines.datasets import Dataset
from pipelines.files import FilePairs
from pipelines.samples import Finding

LINE_RULE = "a list line is `train/x.png trainannot/x.png`"


def recognises(directory: Path) -> bool:
    """Whether a split list or a label folder of this layout is there."""
    return any(
        has_split(directory, split) or (directory / f"{split}annot").is_dir()
        for split in SPLITS
    )


def has_split(directory: Path, split: str) -> bool:
    """Whether the list of `split` is there."""
    return (directory / f"{split}.txt").is_file()


def read(directory: Path, split: str, encoding: str | None) -> Dataset:
    """List the pairs of `split`; a `classes.csv` replaces CamVid's 11 classes."""
    list_file = directory / f"{split}.txt"
    try:
        text = list_file.read_text(encoding="utf-8-sig")
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
        raise UserError(
            f"{list_file}: a split holds at least one pair: found none{first}; "
            f"write one line per pair, `{split}/x.png {split}annot/x.png`."
        )
    class_file = directory / "classes.csv"
    classes = ClassTable.read(class_file) if class_file.exists() else CAMVID
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
    if inside.is_absolute() or not path.exists():
        path = directory.joinpath(*inside.parts[-2:])
    return path
