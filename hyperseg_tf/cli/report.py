"""`hyperseg-tf report`: what training runs came to, as one page."""

import argparse
from pathlib import Path


def add(commands) -> None:
    """Add `report` to the command line."""
    parser = commands.add_parser(
        "report",
        help="write what training runs came to as one HTML page",
        description="Write one page that needs no other file: curves, IoU of the "
        "classes, pictures, recipe, data and environment of each run; several runs "
        "beside each other, seeds of one recipe as mean and standard deviation; scores "
        "against costs beside those of the paper. Confusion matrix, intervals, worst "
        "and best pictures and latency are shown where `evaluate --json RUN/NAME.json "
        "--draw RUN/NAME` and `benchmark --json RUN/NAME.json` have written them.",
    )
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="folder of --out of train"
    )
    parser.add_argument(
        "--evaluations",
        nargs="+",
        type=Path,
        default=(),
        metavar="FILE",
        help="what `evaluate --json` wrote to other places, shown with the run of its "
        "model",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE.html",
        help="default: report.html in RUN; of several runs, in the working folder",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a file that is there"
    )
    parser.set_defaults(run=run, outputs=("out",))


def run(args: argparse.Namespace) -> int:
    """Write the page and print where it is."""
    from hyperseg_tf.reporting.report import report

    options = {"evaluations": args.evaluations, "overwrite": args.overwrite}
    print(report(args.runs, args.out, **options))
    return 0
