"""The check of a whole folder: every split, and how the classes are distributed."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hyperseg_tf.base.constants import SPLITS
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.pipelines import advice, duplicates
from hyperseg_tf.pipelines.check import Report, inspect
from hyperseg_tf.pipelines.classes import ClassTable
from hyperseg_tf.pipelines.datasets import Dataset, EmptySplit
from hyperseg_tf.pipelines.label_patterns import explain
from hyperseg_tf.pipelines.label_tally import Tally
from hyperseg_tf.pipelines.opening import open_dataset, splits
from hyperseg_tf.pipelines.readers.listing import together
from hyperseg_tf.pipelines.samples import Finding
from hyperseg_tf.pipelines.verdicts import Verdicts

# Training reads these two, so their absence is a finding, too.
NEEDED = ("train", "val")


@dataclass(frozen=True)
class FolderReport:
    """What `check_folder` found.

    Attributes:
        findings: One line each; what is wrong with several splits is said once.
        splits: The splits that could be opened, with their reports.
        duplicates: A line per two splits with (nearly) the same pictures, or that these
            could not be looked for.
    """

    findings: tuple[str, ...]
    splits: tuple[tuple[Dataset, Report], ...]
    duplicates: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What readers left out or took for granted, a line each, said once."""
        notes = (n for dataset, r in self.splits for n in (*dataset.notes, *r.notes))
        known = (f"{r.known} of {d.split}" for d, r in self.splits if r.known)
        earlier = ", ".join(known)
        if earlier:
            earlier = (
                f"{earlier} are as at an earlier check, and were not read again; "
                "--again reads them"
            )
        lines = (*notes, *self.duplicates, *filter(None, (earlier,)))
        return tuple(dict.fromkeys(lines))

    @property
    def num_samples(self) -> int:
        """Samples looked at."""
        return sum(len(dataset) for dataset, _ in self.splits)

    def advice(
        self, crop: tuple[int, int] | None = None, batch_size: int | None = None
    ) -> tuple[str, ...]:
        """Lines on weights of classes, sizes and memory.

        Args:
            crop: (height, width) that the recipe cuts out.
            batch_size: The recipe's.
        """
        lines: list[str] = []
        for dataset, report in self.splits:
            if dataset.split == "train":
                names = dataset.classes.names
                lines += advice.of_weights(names, report.class_pixels)
        for dataset, report in self.splits:
            lines += advice.of_sizes(dataset.split, report.sizes, crop, batch_size)
        return tuple(lines)

    def as_data(
        self, crop: tuple[int, int] | None = None, batch_size: int | None = None
    ) -> dict[str, Any]:
        """All of it as JSON-able data; shares of classes are of the labelled pixels."""
        return {
            "sound": not self.findings,
            "findings": list(self.findings),
            "notes": list(self.notes),
            "advice": list(self.advice(crop, batch_size)),
            "splits": {
                dataset.split: _as_data(dataset, report)
                for dataset, report in self.splits
            },
        }

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


def check_folder(
    directory: str | Path,
    split: str | None = None,
    labels: str = "",
    again: bool = False,
) -> FolderReport:
    """Check one split of a folder, or train, val and what else there is.

    Nothing is raised for what is wrong with the folder or its files: it is found.

    Args:
        split: None for all.
        labels: How label files are read, as of `open_dataset`.
        again: Read files again, too, that are as they were when they passed.
    """
    if split is None:
        present = splits(directory)
        wanted = tuple(s for s in SPLITS if s in NEEDED or s in present)
    else:
        wanted = (split,)
    refused: list[str] = []
    image_hash = duplicates.hasher() if len(wanted) > 1 else None
    reports: list[tuple[Dataset, Report]] = []
    for name in wanted:
        try:
            dataset = open_dataset(directory, name, labels=labels)
        except UserError as error:
            line = " ".join(str(error).split())
            lacking = isinstance(error, EmptySplit) or name not in splits(directory)
            if name == "val" and reports and lacking:
                line += " Or hold a part of train back: train with --split-val 0.1."
            refused.append(line)
            continue
        verdicts = Verdicts(dataset, again)
        report = inspect(dataset, image_hash=image_hash, verdicts=verdicts)
        reports.append((dataset, report))
    lines = [str(finding) for finding in _once(_findings(reports, Path(directory)))]
    # What is wrong with the folder or its class file is wrong for every split.
    findings = tuple(dict.fromkeys(lines + refused))
    return FolderReport(findings, tuple(reports), _duplicates(reports, image_hash))


def _duplicates(
    reports: list[tuple[Dataset, Report]], image_hash: duplicates.Hash | None
) -> tuple[str, ...]:
    if len(reports) < 2:
        return ()
    if image_hash is None:
        return (duplicates.MISSING,)
    splits = [
        (dataset.split, [sample.name for sample in dataset], report.hashes)
        for dataset, report in reports
    ]
    return tuple(duplicates.notes(splits))


def _findings(
    reports: list[tuple[Dataset, Report]], directory: Path
) -> Iterator[Finding]:
    """Those of all splits; what unknown values are is asked of all labels together."""
    tallies: dict[tuple[ClassTable, str], Tally] = {}
    for dataset, report in reports:
        yield from report.others
        for tally in report.tallies:
            key = dataset.classes, tally.encoding
            tallies[key] = tallies[key] + tally if key in tallies else tally
    for (classes, _), tally in tallies.items():
        yield from explain(tally, classes, directory)


def _once(findings: Iterable[Finding]) -> list[Finding]:
    """What is wrong with many files in the same way, or in each split, as one."""
    alike: dict[tuple, list[Finding]] = {}
    for finding in findings:
        same_files = finding.rule, finding.remedy, finding.found
        alike.setdefault(same_files, []).append(finding)
    folders: dict[tuple, Finding] = {}
    for (rule, remedy, found), same in alike.items():
        sources = list(dict.fromkeys(Path(finding.source) for finding in same))
        common = Path(os.path.commonpath([source.parent for source in sources]))
        (joined,) = together(common, sources, rule, found, remedy)
        key = joined.source, rule, remedy
        if key in folders:
            joined = replace(joined, found=f"{folders[key].found} and {joined.found}")
        folders[key] = joined
    return list(folders.values())


def _as_data(dataset: Dataset, report: Report) -> dict[str, Any]:
    labelled = int(report.class_pixels.sum())
    weights = advice.class_weights(report.class_pixels)
    return {
        "samples": len(dataset),
        "encoding": dataset.samples.encoding,
        "classes": [
            {
                "name": name,
                "pixels": int(pixels),
                "share": int(pixels) / labelled if labelled else None,
                "weight": float(weight) if pixels else None,
            }
            for name, pixels, weight in zip(
                dataset.classes.names, report.class_pixels, weights, strict=True
            )
        ],
        "void_pixels": report.void_pixels,
        "sizes": [
            {"height": height, "width": width, "samples": count}
            for (height, width), count in Counter(report.sizes).most_common()
        ],
    }


def _opening(dataset: Dataset, report: Report) -> str:
    encoding = dataset.samples.encoding
    masks = f", {encoding} masks" if encoding else ""
    found = len(report.findings)
    state = f"{found} finding{'s' * (found > 1)}" if found else "all sound"
    return f"{dataset.split}: {len(dataset)} pairs{masks}, {state}"


def _share(pixels: int, total: int) -> str:
    return f"{'absent' if not pixels else f'{100 * pixels / total:.3f} %':>10}"
