"""`hyperseg-tf data`: make, check and look at a folder of images and labels."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hyperseg_tf.cli.size import size

if TYPE_CHECKING:
    from pipelines import Dataset
    from pipelines.check import Report

SPLITS = ("train", "val", "test")


def add(commands) -> None:
    """Add `data` with `scenes`, `check` and `show` to the command line."""
    parser = commands.add_parser("data", help="make, check or look at a dataset")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    scenes = actions.add_parser(
        "scenes",
        help="write generated road scenes to try things out",
        description="Write seeded road scenes with labels of the 11 CamVid classes as "
        "an ordinary folder of images and labels.",
    )
    scenes.add_argument("directory", type=Path, metavar="DIR", help="the new folder")
    scenes.add_argument("--train", type=int, default=240, help="training scenes")
    scenes.add_argument("--val", type=int, default=40, help="validation scenes")
    scenes.add_argument("--size", type=size, default=(192, 256), metavar="HxW")
    scenes.add_argument("--seed", type=int, default=0)
    scenes.set_defaults(run=_scenes)

    check = actions.add_parser(
        "check",
        help="list every file that training would refuse",
        description="Decode every image and label. Prints one line per finding and "
        "exits with status 2, or prints a summary when there is none.",
    )
    check.add_argument("directory", type=Path, metavar="DIR", help="the dataset")
    check.add_argument(
        "--split", choices=SPLITS, help="only this one (default: all there are)"
    )
    check.set_defaults(run=_check)

    show = actions.add_parser(
        "show",
        help="draw labels over their images",
        description="Write a few samples with their labels and a legend as PNG.",
    )
    show.add_argument("directory", type=Path, metavar="DIR", help="the dataset")
    show.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    show.add_argument("--split", choices=SPLITS, default="train")
    show.add_argument(
        "--count", type=int, default=8, help="samples, spread over the split"
    )
    show.set_defaults(run=_show)


def _scenes(args) -> int:
    from hyperseg_tf.base.progress import bar
    from pipelines import road_scenes

    written = road_scenes.write(
        args.directory,
        train=args.train,
        val=args.val,
        size=args.size,
        seed=args.seed,
        progress=bar("painting scenes"),
    )
    state = "written" if written else "there already"
    print(f"{args.directory}: {args.train} + {args.val} road scenes, {state}")
    return 0


def _check(args) -> int:
    from hyperseg_tf.base.errors import UserError
    from pipelines import open_dataset, splits
    from pipelines.check import inspect

    # Training reads these two, so their absence is a finding, too.
    present = splits(args.directory)
    wanted = (
        (args.split,)
        if args.split
        else tuple(
            split for split in SPLITS if split in ("train", "val") or split in present
        )
    )
    lines: list[str] = []
    reports: list[tuple[Dataset, Report]] = []
    for split in wanted:
        try:
            dataset = open_dataset(args.directory, split)
        except UserError as error:
            lines.append(" ".join(str(error).split()))
        else:
            report = inspect(dataset)
            reports.append((dataset, report))
            lines += [str(finding) for finding in report.findings]
    # What is wrong with the folder or its class file is wrong for every split.
    lines = list(dict.fromkeys(lines))
    if lines:
        print("\n".join(lines))
        files = sum(len(dataset) for dataset, _ in reports)
        print(
            f"{len(lines)} finding{'s' * (len(lines) > 1)}; {files} pairs looked at",
            file=sys.stderr,
        )
        return 2
    print(_summary(reports))
    return 0


def _summary(reports: list[tuple[Dataset, Report]]) -> str:
    """Pairs per split and the share of every class among the labelled pixels."""
    classes = reports[0][0].classes
    width = max(len("class"), *(len(name) for name in classes.names))
    lines = [
        f"{dataset.split}: {len(dataset)} pairs, {dataset.encoding} masks, all sound"
        for dataset, _ in reports
    ]
    heads = "".join(f"{dataset.split:>10}" for dataset, _ in reports)
    lines += ["", f"{'index':>5}  {'class':<{width}}{heads}"]
    for index, name in enumerate(classes.names):
        shares = "".join(
            _share(report.class_pixels[index], report.class_pixels.sum())
            for _, report in reports
        )
        lines.append(f"{index:>5}  {name:<{width}}{shares}")
    voids = "".join(
        _share(report.void_pixels, report.void_pixels + report.class_pixels.sum())
        for _, report in reports
    )
    lines += [
        f"{'':>5}  {'(void)':<{width}}{voids}",
        "Shares of classes are of the labelled pixels, that of void is of all.",
    ]
    return "\n".join(lines)


def _share(pixels: int, total: int) -> str:
    return f"{'absent' if not pixels else f'{100 * pixels / total:.3f} %':>10}"


def _show(args) -> int:
    import numpy as np
    from PIL import Image

    from hyperseg_tf import visualise
    from hyperseg_tf.base.errors import UserError
    from pipelines import load_sample, open_dataset

    if args.count < 1:
        raise UserError(f"--count is at least 1: got {args.count}.")
    dataset = open_dataset(args.directory, args.split)
    classes = dataset.classes
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{args.out}: pictures are written to a folder: {error.strerror}; "
            "give another --out."
        ) from error
    count = min(args.count, len(dataset))
    for i in np.linspace(0, len(dataset) - 1, count).round().astype(int):
        sample = load_sample(dataset, i)
        picture = visualise.overlay(sample["image"], sample["label"], classes.colours)
        picture = visualise.with_legend(picture, classes.names, classes.colours)
        stem = re.sub(r"[^\w.-]+", "_", dataset.pairs[i][0].stem)
        path = args.out / f"{args.split}_{i:05d}_{stem}.png"
        Image.fromarray(np.asarray(picture)).save(path)
        print(path)
    return 0
