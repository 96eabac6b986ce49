"""`hyperseg-tf export`: a model for deployment, compared before it appears."""

import argparse
from pathlib import Path

from hyperseg_tf.base.progress import say
from hyperseg_tf.cli.size import size
from hyperseg_tf.export.formats import FORMATS, OUTPUTS
from hyperseg_tf.export.options import FREE


def add(commands) -> None:
    """Add `export` to the command line."""
    parser = commands.add_parser(
        "export",
        help="write a model for deployment",
        description="Write the model with preprocessing inside, reload it without "
        "this project's code and compare; it appears only if it agrees.",
    )
    parser.add_argument("model", type=Path, help=".keras file written by train")
    parser.add_argument(
        "--format",
        default="saved_model",
        help=f"{', '.join(FORMATS)} (default: %(default)s)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="PATH",
        help="folder; or a name with the format's suffix, as road.onnx",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace what is at PATH"
    )
    parser.add_argument(
        "--precision",
        help="float32 (default); "
        + "; ".join(
            f"{one.name}: {', '.join(one.precisions[1:])}"
            for one in FORMATS.values()
            if one.precisions[1:]
        ),
    )
    parser.add_argument(
        "--size",
        type=_free_or(size),
        metavar="HxW|free",
        help="of the pictures (default: free where the format can, else the preset's)",
    )
    parser.add_argument(
        "--batch",
        type=_free_or(int),
        metavar="N|free",
        help="pictures at once (default: free where the format can, else 1)",
    )
    parser.add_argument(
        "--output",
        default="logits",
        help=f"{', '.join(OUTPUTS)} (default: %(default)s)",
    )
    parser.add_argument(
        "--calibrate",
        type=Path,
        metavar="DIR",
        help="pictures or a data set that int8 takes its ranges from",
    )
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="DIR",
        help="data set that model and export are both scored on",
    )
    parser.add_argument(
        "--max-pixels",
        type=int,
        metavar="N",
        help="of a SavedModel, largest request that is answered: pictures times height "
        "times width, padding included (default: 4194304)",
    )
    parser.add_argument(
        "--version",
        type=int,
        metavar="N",
        help="write PATH/N, with warm-up requests, for TensorFlow Serving, which takes "
        "the largest number below PATH",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Export and print where it is."""
    from hyperseg_tf import export

    out = export.write(
        args.model,
        args.format,
        args.out,
        precision=args.precision,
        size=args.size,
        batch=args.batch,
        output=args.output,
        calibrate=args.calibrate,
        labels=args.labels,
        overwrite=args.overwrite,
        max_pixels=args.max_pixels,
        version=args.version,
        tell=say,
    )
    print(out)
    return 0


def _free_or(kind):
    """A type of arguments that also takes the word "free"."""

    def parse(text: str):
        return FREE if text == FREE else kind(text)

    parse.__name__ = kind.__name__  # For argparse's message.
    return parse
