"""`hyperseg-tf data`: make, name, check, convert, prepare, look at labelled images."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hyperseg_tf.base.constants import SPLITS
from hyperseg_tf.cli.labels import add_labels
from hyperseg_tf.cli.size import size


def add(commands) -> None:
    """Add `data` with its actions to the command line."""
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

    detect = actions.add_parser(
        "detect",
        help="say which layout a folder is taken for, and why",
        description="Print the layout and what of it was found. A folder of no known "
        "layout is status 2, with all layouts and what was missing for each.",
    )
    detect.add_argument("directory", type=Path, metavar="DIR", help="the dataset")
    detect.set_defaults(run=_detect)

    convert = _copying(
        actions,
        "convert",
        help="write a dataset of any known layout as an own folder",
        description="Copy the pictures and write labels as PNGs of class positions, "
        "with classes.csv. Nothing is left behind where a sample cannot be read.",
    )
    add_labels(convert)
    convert.set_defaults(run=_convert)

    split = _copying(
        actions,
        "split",
        help="write a dataset with a part of train held back as val",
        description="As `data convert`, for a dataset without val: the samples that "
        "`train --split-val` holds back, in a folder of their own.",
    )
    split.add_argument(
        "--val",
        type=_share,
        default=0.1,
        metavar="SHARE",
        help="of train, between 0 and 1 (default: %(default)s)",
    )
    add_labels(split)
    split.set_defaults(run=_split)

    fix = _copying(
        actions,
        "fix",
        help="write a corrected copy, with a sheet of before and after",
        description="Read labels by the rules that `data check` offers (0 and 255, "
        "counting from 1, soft edges, swapped channels, values in three channels), "
        "stretch pictures of 12 bits in 16, and write an own folder. What no rule "
        "mends is named, and nothing is written.",
    )
    add_labels(fix, "as check offers")
    fix.set_defaults(run=_fix)

    prepare = _copying(
        actions,
        "prepare",
        help="write a dataset as few large files that are read quickly",
        description="Write files of records, which training and TensorFlow Datasets "
        "read. Labels and pictures stay as they are unless --size or --jpeg-quality "
        "say otherwise. What was interrupted goes on where it was.",
    )
    prepare.add_argument(
        "--name", help="of letters, digits, underscores (default: the folder's)"
    )
    prepare.add_argument(
        "--size", type=size, metavar="HxW", help="resize pictures and labels"
    )
    prepare.add_argument(
        "--jpeg-quality",
        type=_quality,
        metavar="1..100",
        help="write pictures as JPEG (default: as they are)",
    )
    prepare.add_argument(
        "--file-format",
        choices=("array_record", "tfrecord"),
        default="array_record",
        help="tfrecord for tfds.load; array_record (default) for tfds.data_source",
    )
    add_labels(prepare)
    prepare.set_defaults(run=_prepare)

    check = actions.add_parser(
        "check",
        help="list every file that training would refuse",
        description="Decode every image and label. Prints one line per finding, or a "
        "summary when there is none; notes and advice go to stderr.",
        epilog="exit status: 0 training would start, 2 it would not or the folder "
        "cannot be read",
    )
    check.add_argument("directory", type=Path, metavar="DIR", help="the dataset")
    check.add_argument(
        "--split", choices=SPLITS, help="only this one (default: all there are)"
    )
    check.add_argument(
        "--json",
        nargs="?",
        const="-",
        metavar="FILE",
        help="write all of it as JSON, to stdout in place of text without FILE",
    )
    check.add_argument(
        "--recipe",
        default="own_folder",
        metavar="NAME",
        help="whose crop and batch the advice is about (default: %(default)s)",
    )
    check.add_argument(
        "--again",
        action="store_true",
        help="read files again, too, that are as they were when they passed",
    )
    add_labels(check)
    check.set_defaults(run=_check, outputs=("json",))

    show = actions.add_parser(
        "show",
        help="draw labels over their images",
        description="Write a few samples with their labels and a legend as PNG: as "
        "they are read and, of train, as the transforms of a recipe leave them. Void "
        "is left bare under thin lines.",
    )
    show.add_argument("directory", type=Path, metavar="DIR", help="the dataset")
    show.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    show.add_argument("--split", choices=SPLITS, default="train")
    show.add_argument(
        "--count", type=int, default=8, help="samples, spread over the split"
    )
    show.add_argument(
        "--recipe",
        default="own_folder",
        metavar="NAME",
        help="whose training transforms are shown (default: %(default)s)",
    )
    show.add_argument("--seed", type=int, default=0, help="of the transforms")
    add_labels(show)
    show.set_defaults(run=_show)


def _copying(actions, name: str, **texts) -> argparse.ArgumentParser:
    """A command that reads a dataset and writes another."""
    parser = actions.add_parser(name, **texts)
    parser.add_argument("directory", type=Path, metavar="DIR", help="the dataset")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace what is in FOLDER"
    )
    return parser


def _scenes(args) -> int:
    from hyperseg_tf.base.progress import bar
    from hyperseg_tf.pipelines import road_scenes

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


def _detect(args) -> int:
    from hyperseg_tf.pipelines import detect, splits

    detected = detect(args.directory)
    print(detected)
    if detected.reader is None:
        return 2
    found = ", ".join(splits(args.directory))
    print(f"splits: {found or 'none'}")
    return 0


def _convert(args) -> int:
    from hyperseg_tf.pipelines import convert

    written = convert(
        args.directory, args.out, args.overwrite, labels=args.read_labels or ""
    )
    counts = ", ".join(f"{count} {split}" for split, count in written.items())
    print(f"{args.out}: {counts}")
    return 0


def _split(args) -> int:
    from hyperseg_tf.pipelines import make_val

    written = make_val(
        args.directory,
        args.out,
        args.val,
        args.overwrite,
        labels=args.read_labels or "",
    )
    counts = ", ".join(f"{count} {name}" for name, count in written.items())
    print(f"{args.out}: {counts}")
    return 0


def _fix(args) -> int:
    from hyperseg_tf.pipelines import fix

    fixed = fix(args.directory, args.out, args.read_labels or "", args.overwrite)
    counts = ", ".join(f"{count} {name}" for name, count in fixed.samples.items())
    print(f"{args.out}: {counts}")
    if fixed.labels:
        print(f"labels were read by: --read-labels {fixed.labels}")
    if fixed.bits is not None:
        print(f"pictures of 16 bits: {fixed.bits} bits were used, and are 8 now")
    print(f"look at {fixed.sheet}: picture, label before, label after")
    return 0


def _prepare(args) -> int:
    from hyperseg_tf.pipelines import prepare

    out = prepare(
        args.directory,
        args.out,
        name=args.name,
        size=args.size,
        jpeg_quality=args.jpeg_quality,
        file_format=args.file_format,
        labels=args.read_labels or "",
        overwrite=args.overwrite,
    )
    print(out)
    return 0


def _share(text: str) -> float:
    share = float(text)
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"a share is between 0 and 1: got {text}")
    return share


def _quality(text: str) -> int:
    quality = int(text)
    if not 1 <= quality <= 100:
        raise argparse.ArgumentTypeError(f"a JPEG quality is 1 to 100: got {text}")
    return quality


def _check(args) -> int:
    import json

    from hyperseg_tf import recipes
    from hyperseg_tf.base.atomic import atomic_file
    from hyperseg_tf.pipelines import check_folder

    recipe = recipes.get(args.recipe)
    crops = [t for t in recipe.train if type(t).__name__ == "RandomCrop"]
    crop = (crops[-1].height, crops[-1].width) if crops else None
    report = check_folder(
        args.directory, args.split, args.read_labels or "", args.again
    )
    data = report.as_data(crop, recipe.batch_size)
    if args.json == "-":
        print(json.dumps(data, indent=2))
        return 2 if report.findings else 0
    if args.json:
        with atomic_file(args.json) as temporary:
            temporary.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    for note in report.notes:
        print(f"note: {note}", file=sys.stderr)
    if report.findings:
        print("\n".join(report.findings))
        found = len(report.findings)
        print(
            f"{found} finding{'s' * (found > 1)}; {report.num_samples} pairs looked at",
            file=sys.stderr,
        )
        return 2
    print(report.summary())
    for line in data["advice"]:
        print(f"advice: {line}", file=sys.stderr)
    return 0


def _show(args) -> int:
    from hyperseg_tf import recipes
    from hyperseg_tf.base.errors import UserError
    from hyperseg_tf.pipelines import open_dataset, show

    if args.count < 1:
        raise UserError(f"--count is at least 1: got {args.count}.")
    dataset = open_dataset(args.directory, args.split, labels=args.read_labels or "")
    transforms = recipes.get(args.recipe).train if args.split == "train" else ()
    show(dataset, args.out, args.count, print, transforms, args.seed)
    return 0
