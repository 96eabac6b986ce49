"""`hyperseg-tf data`: make, check and look at a folder of images and labels."""

from __future__ import annotations

import sys
from pathlib import Path

from hyperseg_tf.base.constants import SPLITS
from hyperseg_tf.cli.size import size


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
    from pipelines import check_folder

    report = check_folder(args.directory, args.split)
    if report.findings:
        print("\n".join(report.findings))
        found = len(report.findings)
        print(
            f"{found} finding{'s' * (found > 1)}; {report.num_samples} pairs looked at",
            file=sys.stderr,
        )
        return 2
    print(report.summary())
    return 0


def _show(args) -> int:
    from hyperseg_tf.base.errors import UserError
    from pipelines import open_dataset, show

    if args.count < 1:
        raise UserError(f"--count is at least 1: got {args.count}.")
    dataset = open_dataset(args.directory, args.split)
    show(dataset, args.out, args.count, on_picture=print)
    return 0
