"""`hyperseg-tf predict`: class maps and overlays of pictures and folders."""

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from hyperseg_tf.cli.passes import add_passes, passes_of
from hyperseg_tf.cli.size import size_or_side
from hyperseg_tf.network.bundled import MODELS
from hyperseg_tf.visualise.views import VIEWS


def add(commands) -> None:
    """Add `predict` to the command line."""
    parser = commands.add_parser(
        "predict",
        help="segment pictures",
        description="Write DIR/classes (PNG of class indices) and DIR/overlays "
        "(picture, class colours and a legend; small pictures enlarged).",
    )
    parser.add_argument(
        "model",
        type=Path,
        help=".keras file written by train, the folder of a run, or the name of a "
        "bundled model: " + ", ".join(MODELS),
    )
    parser.add_argument(
        "inputs", nargs="+", metavar="INPUT", help="pictures and folders"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("predictions"),
        metavar="DIR",
        help="(default: %(default)s)",
    )
    parser.add_argument(
        "--size",
        type=size_or_side,
        metavar="HxW|SIDE",
        help="resize pictures to this for the network, or their shorter side (default: "
        "their own size; for a bundled model the side of what it was trained on)",
    )
    parser.add_argument(
        "--alpha",
        type=float,
        default=0.5,
        help="weight of the colours in overlays, 0..1 (default: %(default)s)",
    )
    parser.add_argument(
        "--view",
        choices=VIEWS,
        default="overlay",
        help="of overlays: colours over the picture, the picture beside that, or the "
        "contours of regions alone (default: %(default)s)",
    )
    parser.add_argument(
        "--confidence",
        action="store_true",
        help="write DIR/confidence, too: how probable each pixel's class is, as grey",
    )
    parser.add_argument(
        "--explain",
        action="store_true",
        help="write DIR/explained, too: the overlay, the confidence, and where the "
        "generated weights are unlike those seen in training; prints shares of the "
        "picture",
    )
    parser.add_argument(
        "--like",
        type=Path,
        metavar="FOLDER",
        help="explain beside these pictures of the training (default: beside what "
        "train wrote into the model)",
    )
    add_passes(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Predict, print what is written when it is, then what could not be read."""
    from hyperseg_tf.base.errors import UserError
    from hyperseg_tf.inference.predict import predict_files

    if not 0 <= args.alpha <= 1:
        raise UserError(f"--alpha lies in 0..1: got {args.alpha}.")
    result = predict_files(
        args.model,
        args.inputs,
        args.out,
        image_size=args.size,
        alpha=args.alpha,
        view=args.view,
        confidence=args.confidence,
        explain=args.explain,
        like=args.like,
        passes=passes_of(args),
        each=_print,
    )
    for note in result.notes:
        print(f"note: {note}", file=sys.stderr)
    for error in result.errors:
        print(f"hyperseg-tf: error: {error}", file=sys.stderr)
    return 2 if result.errors else 0


def _print(written) -> None:
    # Above the bar, which is on the same terminal; to stdout all the same.
    optional = (written.confidence, written.explained)
    files = filter(None, (written.classes, written.overlay, *optional))
    tqdm.write(" ".join(map(str, files)), file=sys.stdout)
    if written.explanation is not None:
        tqdm.write(f"{written.source}: {written.explanation}", file=sys.stdout)
    sys.stdout.flush()
