"""`hyperseg-tf evaluate`: scores per class and their means under a named protocol."""

import argparse
from pathlib import Path

from hyperseg_tf import protocols
from hyperseg_tf.base.constants import ABSENT, SPLITS
from hyperseg_tf.cli.labels import add_labels
from hyperseg_tf.cli.passes import add_passes, passes_of
from hyperseg_tf.cli.size import size
from hyperseg_tf.protocols import PROTOCOLS


def add(commands) -> None:
    """Add `evaluate` to the command line."""
    titles = "\n".join(f"  {p.name:<18} {p.title}" for p in PROTOCOLS.values())
    parser = commands.add_parser(
        "evaluate",
        help="score a model on labelled data",
        description="Print per-class scores and their means under a named protocol, "
        "with 95 % intervals over images.",
        epilog=f"protocols:\n{titles}\nown and as-is are other names of own-folder",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", type=Path, help=".keras file written by train")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--protocol",
        default="own-folder",
        metavar="NAME",
        help="what the score means (default: %(default)s)",
    )
    parser.add_argument(
        "--split",
        choices=SPLITS,
        default="val",
        help="part of the data (default: %(default)s)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers")
    parser.add_argument(
        "--confusion",
        type=Path,
        metavar="FILE.png",
        help="draw the confusion matrix (default: beside --json)",
    )
    parser.add_argument(
        "--save-label-ids",
        type=Path,
        metavar="FOLDER",
        help="write the predictions as PNGs of the values that the data's labels "
        "have, as benchmarks' servers take them",
    )
    parser.add_argument(
        "--draw",
        type=Path,
        metavar="FOLDER",
        help="draw the worst and the best pictures: image, label, prediction, errors",
    )
    parser.add_argument(
        "--draw-count",
        type=int,
        default=5,
        metavar="N",
        help="of either (default: %(default)s)",
    )
    parser.add_argument(
        "--calibration",
        action="store_true",
        help="measure the calibration error, too; probabilities take longer",
    )
    parser.add_argument(
        "--allow-leak",
        action="store_true",
        help="score pictures, too, that the model was trained on, as the folder of its "
        "run says; they are refused else",
    )
    parser.add_argument(
        "--near-leak",
        action="store_true",
        help="refuse pictures, too, that are nearly those of the training; all are "
        "decoded for it",
    )
    parser.add_argument(
        "--against",
        type=Path,
        metavar="FILE",
        help="compare with scores that --json wrote, of the same images under the same "
        "protocol: differences with 95 %% intervals, in --json, too",
    )
    parser.add_argument(
        "--absent",
        choices=ABSENT,
        default="skip",
        help="classes in neither label nor prediction: leave out of the mean, or "
        "count as 0 as the released script does (default: %(default)s)",
    )
    parser.add_argument(
        "--size",
        type=size,
        metavar="HxW",
        help="resize images to this for the network (default: the protocol's)",
    )
    add_passes(parser)
    parser.add_argument("--batch-size", type=int, default=1, metavar="N")
    add_labels(parser, "as in the training of the model")
    outputs = ("json", "confusion", "draw", "save_label_ids")
    parser.set_defaults(run=run, outputs=outputs)


def run(args: argparse.Namespace) -> int:
    """Evaluate, print the table, write the files asked for."""
    from hyperseg_tf.base.errors import UserError
    from hyperseg_tf.evaluation.comparison import (
        check_comparable,
        compare,
        differences,
        read_scores,
    )
    from hyperseg_tf.evaluation.evaluate import evaluate

    for option in ("batch_size", "draw_count"):
        if getattr(args, option) < 1:
            name = option.replace("_", "-")
            raise UserError(f"--{name} is at least 1: got {getattr(args, option)}.")
    if args.allow_leak and args.near_leak:
        raise UserError(
            "pictures of the training are allowed (--allow-leak) or looked for closely "
            "(--near-leak): got both; leave out one."
        )
    before = args.against and read_scores(args.against)
    if before:
        # What differs already is said before the work.
        protocol = protocols.get(args.protocol).name
        check_comparable({"protocol": protocol, "split": args.split}, before)
    result = evaluate(
        args.model,
        args.data,
        args.protocol,
        split=args.split,
        batch_size=args.batch_size,
        absent=args.absent,
        image_size=args.size,
        passes=passes_of(args),
        label_ids=args.save_label_ids,
        labels=args.read_labels,
        calibration=args.calibration,
        draw=args.draw,
        draw_count=args.draw_count,
        leak="allow" if args.allow_leak else "near" if args.near_leak else "exact",
    )
    print(result.table())
    if before:
        print(compare(result, before))
    if args.save_label_ids:
        print(args.save_label_ids)
    if args.draw:
        print(args.draw)
    confusion = args.confusion
    if args.json:
        result.write_json(args.json, differences(result, before) if before else None)
        print(args.json)
        confusion = confusion or args.json.with_name(args.json.stem + "_confusion.png")
    if confusion:
        result.write_confusion_png(confusion)
        print(confusion)
    return 0
