"""The check of a whole folder: every split, and how the classes are distributed."""

from dataclasses import dataclass
from pathlib import Path

from hyperseg_tf.base.constants import SPLITS
from hyperseg_tf.base.errors import UserError
from pipelines.check import Report, inspect
from pipelines.datasets import Dataset
from pipelines.opening import open_dataset, splits

# Training reads these two, so their absence is a finding, too.
NEEDED = ("train", "val")


@dataclass(frozen=True)
class FolderReport:
    """What `check_folder` found.

    Attributes:
        findings: One line each; what is wrong with several splits is said once.
        splits: The splits that could be opened, with their reports.
    """

    findings: tuple[str, ...]
    splits: tuple[tuple[Dataset, Report], ...]

    @property
    def num_samples(self) -> int:
        """Samples looked at."""
        return sum(len(dataset) for dataset, _ in self.splits)

    def summary(self) -> str:
        """Samples per split and the share of every class among the labelled pixels."""
        if not self.splits:
            return "no split could be opened"
        lines = [_opening(dataset, report) for dataset, report in self.splits]
        classes = self.splits[0][0].classes
        width = max(len("class"), *(len(name) for name in classes.names))
        heads = "".join(f"{dataset.split:>10}" for dataset, _ in self.splits)
        lines += ["", f"{'index':>5}  {'class':<{width}}{heads}"]
        for index, name in enumerate(classes.names):
            shares = "".join(
                _share(report.class_pixels[index], report.class_pixels.sum())
                for _, report in self.splits
            )
            lines.append(f"{index:>5}  {name:<{width}}{shares}")
        voids = "".join(
            _share(report.void_pixels, report.void_pixels + report.class_pixels.sum())
            for _, report in self.splits
        )
        lines += [
            f"{'':>5}  {'(void)':<{width}}{voids}",
            "Shares of classes are of the labelled pixels, that of void is of all.",
        ]
        return "\n".join(lines)


def check_folder(directory: str | Path, split: str | None = None) -> FolderReport:
    """Check one split of a folder, or train, val and what else there is.

    Nothing is raised for what is wrong with the folder or its files: it is found.
    """
    if split is None:
        present = splits(directory)
        wanted = tuple(s for s in SPLITS if s in NEEDED or s in present)
    else:
        wanted = (split,)
    findings: list[str] = []
    reports: list[tuple[Dataset, Report]] = []
    for name in wanted:
        try:
            dataset = open_dataset(directory, name)
        except UserError as error:
            findings.append(" ".join(str(error).split()))
            continue
        report = inspect(dataset)
        reports.append((dataset, report))
        findings += [str(finding) for finding in report.findings]
    # What is wrong with the folder or its class file is wrong for every split.
    return FolderReport(tuple(dict.fromkeys(findings)), tuple(reports))


def _opening(dataset: Dataset, report: Report) -> str:
    encoding = dataset.samples.encoding
    masks = f", {encoding} masks" if encoding else ""
    found = len(report.findings)
    state = f"{found} finding{'s' * (found > 1)}" if found else "all sound"
    return f"{dataset.split}: {len(dataset)} pairs{masks}, {state}"


def _share(pixels: int, total: int) -> str:
    return f"{'absent' if not pixels else f'{100 * pixels / total:.3f} %':>10}"
